"""YAML read with suspicion: line numbers kept, nothing that can surprise or explode is let in."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from state.errors import AnswersError

#: An answers file is a few kilobytes.
LARGEST_BYTES = 256 * 1024
#: Answers are nested two deep; more than this is none of ours, and would exhaust the stack.
_DEEPEST = 10


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that is no mapping, with its dotted key and its line (from 1)."""

    key: str
    line: int
    node: yaml.Node


def refuse(source: str, line: int | None, problem: str, hint: str) -> AnswersError:
    """The error that names file, line and what to do."""
    where = f"{source}, line {line}" if line else source
    return AnswersError(f"{where}: {problem}", hint=f"{hint} Nothing was changed.")


def read_tree(data: bytes, source: str) -> tuple[Leaf, ...]:
    """The leaves of a YAML mapping, in the order of the file.

    Args:
        data: the file's content.
        source: its name, for errors.

    Raises:
        AnswersError: no text, too large, broken, not a mapping, a key twice, anchors, tags or several documents.
    """
    if len(data) > LARGEST_BYTES:
        raise refuse(source, None, f"it is larger than {LARGEST_BYTES // 1024} KiB.", "Give an answers file.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refuse(source, line, "this is not UTF-8 text.", "Save the file as UTF-8.") from error
    try:
        _refuse_surprises(text, source)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _broken(text, source, error) from error
    if root is None:
        raise refuse(source, None, "it is empty.", "Give an answers file; `buildyard new` writes one.")
    if not isinstance(root, yaml.MappingNode):
        raise refuse(source, _line(root), "answers are `key: value` lines.", "Give an answers file.")
    leaves: list[Leaf] = []
    _walk(root, "", leaves, source)
    return tuple(leaves)


def _refuse_surprises(text: str, source: str) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark is not None else 0
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise refuse(source, line, "a second document begins here.", "Keep one document in the file.")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise refuse(
                source,
                line,
                "anchors and aliases (& and *) are not used here.",
                "Write the value out, or put it in quotes.",
            )
        if getattr(event, "tag", None):
            raise refuse(source, line, "tags (!…) are not used here.", "Remove the tag, or put the value in quotes.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise refuse(source, line, "this is nested too deeply.", "Give an answers file.")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _walk(node: yaml.MappingNode, prefix: str, leaves: list[Leaf], source: str) -> None:
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = _line(key_node)
        if not isinstance(key_node, yaml.ScalarNode) or not key_node.value or "." in key_node.value:
            raise refuse(
                source, line, "this is not a key.", "Write `key: value`; a dot in a key is written as nesting."
            )
        if key_node.value in seen:
            first = seen[key_node.value]
            raise refuse(
                source,
                line,
                f"{prefix}{key_node.value} is given a second time (first in line {first}).",
                "Remove one of them.",
            )
        seen[key_node.value] = line
        key = prefix + key_node.value
        if isinstance(value_node, yaml.MappingNode) and value_node.value:
            _walk(value_node, f"{key}.", leaves, source)
        else:
            leaves.append(Leaf(key, line, value_node))


def _line(node: yaml.Node) -> int:
    mark = node.start_mark
    return mark.line + 1 if mark is not None else 0


def _broken(text: str, source: str, error: yaml.YAMLError) -> AnswersError:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else None
    position = getattr(error, "position", None)
    if line is None and isinstance(position, int):
        line = text.count("\n", 0, position) + 1
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    return refuse(source, line, f"this is not valid YAML: {problem}.", "Correct that line.")
