"""YAML documents whose mistakes are told with their place: file:line:column."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import yaml

from journey_mining.errors import ConfigError

_LONGEST = 1_000_000
"""Characters of a configuration; thirty times as many take the parser minutes."""


class _Loader(yaml.SafeLoader):
    """YAML without dates: what looks like one is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@lru_cache(maxsize=64)
def compose(path: Path, text: str) -> yaml.Node:
    """The nodes of a document that is a mapping, for reading only; raises ConfigError."""
    if len(text) > _LONGEST:
        raise ConfigError(f"{path} is longer than {_LONGEST:,} characters.", fix="name the configuration")
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _not_yaml(path, text, error) from error
    except RecursionError as error:
        raise ConfigError(f"{path} is nested too deeply.", fix="mend the brackets") from error
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(
            f"{path}:1:1: expected settings such as 'sources:'.", fix="start from: journey-mining init"
        )
    _reject_repeated_keys(path, node, set())
    return node


def construct(path: Path, text: str) -> object:
    """The values of a document; raises ConfigError."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _not_yaml(path, text, error) from error
    except ValueError as error:
        raise ConfigError(f"{path} holds a number of too many digits.", fix="shorten it") from error


def _not_yaml(path: Path, text: str, error: yaml.YAMLError) -> ConfigError:
    """The error with its place."""
    where, problem = str(path), str(error)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        where = f"{path}:{error.problem_mark.line + 1}:{error.problem_mark.column + 1}"
        problem = error.problem or problem
    elif isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        where = f"{path}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
        problem = f"the character {chr(error.character)!r} is not allowed"
    return ConfigError(f"{where}: not valid YAML: {problem}.", fix="mend the syntax there")


def _reject_repeated_keys(path: Path, node: yaml.Node, checked: set[int]) -> None:
    """Raise ConfigError for a key that a mapping has twice; an aliased node is checked once."""
    if id(node) in checked:
        return
    checked.add(id(node))
    children = [child for pair in node.value for child in pair] if isinstance(node, yaml.MappingNode) else []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(
                    f"{place_of(path, key)}: a key must be a word.", fix="mend the syntax there"
                )
            if key.value in seen:
                raise ConfigError(
                    f"{place_of(path, key)}: '{key.value}' is given twice.", fix="keep one of them"
                )
            seen.add(key.value)
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        _reject_repeated_keys(path, child, checked)


def place_of(path: Path, node: yaml.Node) -> str:
    """Where a node begins: file:line:column, 1-based."""
    return f"{path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def find_node(node: yaml.Node, location: tuple[str | int, ...]) -> yaml.Node:
    """The YAML node at `location` (keys and indexes), or the deepest one on the way there."""
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                continue
            node = pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
    return node


def find_key(node: yaml.Node, location: tuple[str | int, ...]) -> yaml.Node:
    """The node of the last key of `location`, or the deepest one on the way there."""
    parent = find_node(node, location[:-1])
    if isinstance(parent, yaml.MappingNode):
        return next((k for k, _ in parent.value if k.value == str(location[-1])), parent)
    return parent
