"""The shape of the code: small modules and functions, telling names, no print, nothing of one machine."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from checkout import LIBRARY, MODULES, ROOT, functions, list_own_files, relative

COMMAND_LINE = {LIBRARY / "cli.py", LIBRARY / "progress.py"}
MODULE_LINES = 450
FUNCTION_LINES = 60
EMPTY_VERB = re.compile(r"^_?(?:process|handle|do)_")
EMPTY_NOUN = re.compile(r"(?:^|_)(?:utils?|helpers?|manager|misc)(?:_|$)")

TEXT_SUFFIXES = {
    ".py",
    ".sql",
    ".md",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    ".cfg",
    ".j2",
    ".css",
    ".js",
    ".ipynb",
    "",
}
MACHINE_PATH = re.compile(r"(?<![\w.~}*])/(?:work|tmp|root|Users|home/[a-z]+)/\w")
REGISTRY = re.compile(
    r"pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)|(?:deb|security)[.]debian[.]org|/opt/[p]ypi"
)

every_module = pytest.mark.parametrize("path", MODULES, ids=relative)


def called_names(path: Path) -> set[str]:
    """Names of the plain functions that a module calls."""
    calls = (
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    )
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


def imported_names(path: Path) -> set[str]:
    """Top-level names of the modules that a module imports."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.split(".")[0])
    return imported


@every_module
def test_module_is_short(path: Path) -> None:
    """A module that does not fit on a few screens holds two subjects."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < MODULE_LINES


@every_module
def test_functions_are_short(path: Path) -> None:
    """A function does one verb."""
    sizes = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions(path)}
    assert {name: size for name, size in sizes.items() if size > FUNCTION_LINES} == {}


@every_module
def test_names_tell_something(path: Path) -> None:
    """No function processes or handles, no module helps."""
    assert not [node.name for node in functions(path) if EMPTY_VERB.match(node.name)]
    assert not [part for part in path.relative_to(LIBRARY).with_suffix("").parts if EMPTY_NOUN.search(part)]


@every_module
def test_only_the_command_line_prints(path: Path) -> None:
    """The library logs; what is printed is the command line's to decide."""
    assert path in COMMAND_LINE or "print" not in called_names(path)


@every_module
def test_the_library_knows_no_flow(path: Path) -> None:
    """Prefect and the modules of pipelines/ are above the library, and it never imports them."""
    flows = {flow.stem for flow in (ROOT / "pipelines").glob("*.py")}
    assert not imported_names(path) & (flows | {"prefect", "pipelines"})


def test_no_file_names_a_machine_or_a_registry() -> None:
    """What is committed runs anywhere: no path of one machine, no host of a package registry."""
    texts = [
        path
        for path in list_own_files()
        if path.suffix in TEXT_SUFFIXES and ROOT / "data" not in path.parents
    ]
    found = [
        f"{relative(path)}:{number}: {line.strip()[:100]}"
        for path in texts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if MACHINE_PATH.search(line) or REGISTRY.search(line)
    ]
    assert not found


def test_a_machine_path_is_found() -> None:
    """Paths of a machine count; page paths and addresses do not."""
    slash = "/"
    assert MACHINE_PATH.search(f"open('{slash}tmp{slash}x')")
    assert MACHINE_PATH.search(f"cd {slash}home{slash}ada{slash}x")
    assert not MACHINE_PATH.search("https://example.org/work/x or data/tmp/x or /home/ or ~/work/x")
