"""The wheel holds all that a run needs, and runs alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from checkout import LIBRARY, ROOT, SQL, list_own_files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh environment with the wheel in it; third-party packages come from this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    # A path in a .pth file is appended, and its own .pth files, such as this checkout's, are not read.
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python.parent


def run_alone(command: list[str], folder: Path) -> str:
    """What a command prints that runs far from the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_holds_every_file(wheel: Path) -> None:
    """SQL, flows, templates, styles and scripts are inside, whatever their suffix."""
    packed = set(zipfile.ZipFile(wheel).namelist())
    homes = {
        LIBRARY: "journey_mining",
        SQL: "journey_mining/_sql",
        ROOT / "pipelines": "journey_mining/_pipelines",
    }
    expected = {
        f"{name}/{path.relative_to(folder).as_posix()}"
        for folder, name in homes.items()
        for path in list_own_files()
        if path.is_relative_to(folder) and path.name != ".sqlfluff"
    }
    assert expected - packed == set()


def test_installed_wheel_runs_the_sample(alone: Path, tmp_path: Path) -> None:
    """Installed alone, away from the checkout, the command explains itself and publishes the sample's report."""
    where = run_alone(
        [str(alone / "python"), "-c", "import journey_mining; print(journey_mining.__file__)"], tmp_path
    )
    assert Path(where.strip()).is_relative_to(alone.parent)
    assert "run" in run_alone([str(alone / "journey-mining"), "--help"], tmp_path)
    sample = shutil.copytree(
        ROOT / "data" / "sample", tmp_path / "sample", ignore=shutil.ignore_patterns("journeys")
    )
    run_alone([str(alone / "journey-mining"), "run", "--config", str(sample / "journey.yaml")], tmp_path)
    assert (sample / "journeys" / "current" / "report" / "index.html").stat().st_size > 0
