"""The answers file: YAML a person can read, edit and replay; what cannot be used is refused by line, and never lost."""

from __future__ import annotations

import difflib
import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from state.errors import AnswersError
from state.files import locked, make_private_folder, read_file, write_file
from state.questions import AnswerKind, Question
from state.yaml_tree import Leaf, read_tree, refuse

#: The newest form of the file this program knows.
VERSION = 1
_OWN_KEYS = ("version", "lineage", "serial")
_TEXT_KINDS = (AnswerKind.TEXT, AnswerKind.CHOICE, AnswerKind.PATH)
#: Words in an unknown key, and shapes of a value, that mean somebody is about to leave a secret in a file.
_SECRET_WORDS = re.compile(r"(password|passwd|passphrase|secret|token|api_?key|private_?key)", re.IGNORECASE)
_SECRET_VALUES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bdo[opr]_v1_[0-9a-f]{20,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bAKIA[A-Z0-9]{16}\b"
)


@dataclass(frozen=True, slots=True)
class Answers:
    """All answers of a deployment.

    Attributes:
        values: by dotted key, such as ``site.domain``; what was not answered is not there.
        lineage: born with the deployment; "" in a file somebody wrote by hand.
        serial: grows with every save.
        digest: of the file it was read from, "" when there was none: a save notices edits made meanwhile.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    lineage: str = ""
    serial: int = 0
    digest: str = ""

    def with_values(self, values: Mapping[str, Any]) -> Answers:
        """The same with further answers; None takes one away."""
        merged = {**self.values, **values}
        return replace(self, values={key: value for key, value in merged.items() if value is not None})


def load(path: Path, questions: Sequence[Question]) -> Answers | None:
    """Reads an answers file; None when there is none.

    Args:
        path: the file.
        questions: all that may be asked, of all providers and applications.

    Raises:
        AnswersError: the file cannot be used as it is; names every line that is wrong and what to do.
        StateError: it cannot be read at all.
    """
    data = read_file(path)
    return None if data is None else parse(data, str(path), questions)


def parse(data: bytes, source: str, questions: Sequence[Question]) -> Answers:
    """Answers from the content of a file; as :func:`load`."""
    leaves = read_tree(data, source)
    own = {leaf.key: leaf for leaf in leaves if leaf.key in _OWN_KEYS}
    _check_version(own.get("version"), source)
    by_key = {question.key: question for question in questions}
    values: dict[str, Any] = {}
    problems: list[AnswersError] = []
    for leaf in leaves:
        if leaf.key in own:
            continue
        try:
            value = _value(leaf, by_key, source)
        except AnswersError as problem:
            problems.append(problem)
        else:
            if value is not None:
                values[leaf.key] = value
    if problems:
        raise _all_of(problems, source)
    return Answers(
        values=values,
        lineage=_own_text(own.get("lineage"), source),
        serial=_own_number(own.get("serial"), source),
        digest=hashlib.sha256(data).hexdigest(),
    )


def save(path: Path, answers: Answers, questions: Sequence[Question]) -> Answers:
    """Writes the file and returns the answers as they are now known there (serial one higher).

    Raises:
        AnswersError: the file was changed by somebody else since these answers were read, or is of another lineage.
        StateError: it cannot be written; the old one is untouched.
    """
    make_private_folder(path.parent)
    with locked(path):
        there = read_file(path)
        digest = hashlib.sha256(there).hexdigest() if there is not None else ""
        if digest != answers.digest:
            raise AnswersError(
                f"{path} was changed by somebody else since it was read here.",
                hint="Start again: what is in the file now is then the beginning. Nothing was changed.",
            )
        new = replace(answers, lineage=answers.lineage or str(uuid.uuid4()), serial=answers.serial + 1)
        data = render(new, questions).encode()
        write_file(path, data, keep_copies=True)
    return replace(new, digest=hashlib.sha256(data).hexdigest())


def merge(base: Answers | None, given: Answers, source: str) -> Answers:
    """The answers of a deployment, changed by those of a file (``--answers FILE``).

    Args:
        base: what the deployment has; None for a new one, which gets a lineage of its own.
        given: what the file says; it wins.
        source: the file's name, for errors.

    Raises:
        AnswersError: the file belongs to another deployment, or is an older copy of this one's.
    """
    if base is None:
        return Answers(values=given.values)
    if base.lineage and given.lineage and given.lineage != base.lineage:
        raise AnswersError(
            f"{source} belongs to another deployment (lineage {given.lineage}, not {base.lineage}).",
            hint="Choose the right deployment; or remove the line `lineage:` to use these answers here nevertheless.",
        )
    if given.lineage and given.serial < base.serial:
        raise AnswersError(
            f"{source} is older (serial {given.serial}) than what this deployment has ({base.serial}).",
            hint="Change the newest copy; or remove the lines `lineage:` and `serial:` to go back on purpose.",
        )
    return base.with_values(given.values)


def render(answers: Answers, questions: Sequence[Question]) -> str:
    """The text of the file: each answer under the label of its question, in the order of the questions."""
    name = answers.values.get("deployment.name", "this deployment")
    lines = [
        f"# Answers for {name}. Edit this file if you like: `buildyard plan` shows what a change would do.",
        "# Secrets are not in here, the keyring holds them. Comments of your own are not kept.",
        f"version: {VERSION}",
        f"lineage: {answers.lineage}",
        f"serial: {answers.serial}",
    ]
    groups: dict[str, list[Question]] = {}
    for question in questions:
        if question.key in answers.values and not question.secret:
            groups.setdefault(question.key.rpartition(".")[0], []).append(question)
    opened: tuple[str, ...] = ()
    for group in _nested_order(groups):
        path = tuple(group.split(".")) if group else ()
        lines.append("")
        shared = sum(1 for _ in _common(opened, path))
        lines += [f"{'  ' * depth}{path[depth]}:" for depth in range(shared, len(path))]
        for question in groups[group]:
            indent = "  " * len(path)
            lines.append(f"{indent}# {' '.join(question.label.split())}")
            lines.append(f"{indent}{question.key.rpartition('.')[2]}: {_text_of(answers.values[question.key])}")
        opened = path
    return "\n".join(lines) + "\n"


def problem_with(question: Question, value: Any) -> str:
    """What is wrong with the shape or content of an answer, "" when nothing is."""
    kind = question.kind
    if kind is AnswerKind.YES_NO:
        wrong = "" if isinstance(value, bool) else "Answer yes or no."
    elif kind is AnswerKind.NUMBER:
        wrong = "" if isinstance(value, int | float) and not isinstance(value, bool) else "Give a number."
    elif kind is AnswerKind.LIST:
        good = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        wrong = "" if good else "Give a list of texts: one a line, each behind a hyphen."
    else:
        wrong = "" if isinstance(value, str) else "Give a text."
    if not wrong and any("\ud800" <= character <= "\udfff" for character in _characters(value)):
        return "This holds half a character, which no file can keep: type it again."
    if not wrong and isinstance(value, str) and kind is not AnswerKind.SECRET and _SECRET_VALUES.search(value):
        return "This looks like a secret, and this answer is kept in a file that is not secret."
    if wrong or (not question.required and value in ("", [], ())):
        return wrong
    if question.required and value in ("", [], ()):
        return "This must be answered."
    return question.check(value)


def _characters(value: Any) -> str:
    return "".join(value) if isinstance(value, list | tuple) else str(value)


def _value(leaf: Leaf, by_key: Mapping[str, Question], source: str) -> Any:
    question = by_key.get(leaf.key)
    if question is None:
        raise _unknown(leaf, by_key, source)
    if question.secret:
        raise _no_secrets(leaf, source)
    value = _convert(leaf.node, question.kind)
    if value is None:
        return None
    problem = problem_with(question, value)
    if problem:
        hint = problem if problem.endswith((".", "!", "?")) else f"{problem}."
        raise refuse(source, leaf.line, f"{leaf.key} cannot be {_shown(value)}.", hint)
    return value


def _convert(node: yaml.Node, kind: AnswerKind) -> Any:
    """What the node says, as that kind sees it. Texts are taken as written: `no` or `1.10` are fine as a text."""
    if isinstance(node, yaml.ScalarNode):
        if node.tag == "tag:yaml.org,2002:null":
            return None
        if kind in _TEXT_KINDS:
            return str(node.value)
        if kind is AnswerKind.LIST:
            return [part.strip() for part in str(node.value).replace("\n", ",").split(",") if part.strip()]
    if isinstance(node, yaml.SequenceNode) and kind is AnswerKind.LIST:
        return [str(each.value) if isinstance(each, yaml.ScalarNode) else _plain(each) for each in node.value]
    return _plain(node)


def _plain(node: yaml.Node) -> Any:
    try:
        return yaml.SafeLoader("").construct_document(node)
    except (yaml.YAMLError, ValueError):
        return str(node.value)


def _unknown(leaf: Leaf, by_key: Mapping[str, Question], source: str) -> AnswersError:
    if _SECRET_WORDS.search(leaf.key):
        return _no_secrets(leaf, source)
    near = difflib.get_close_matches(leaf.key, by_key, n=1, cutoff=0.5) or [
        key for key in by_key if key.rpartition(".")[2] == leaf.key.rpartition(".")[2]
    ]
    hint = f"Did you mean {near[0]}?" if near else "Remove it; this is not an answer Buildyard asks for."
    return refuse(source, leaf.line, f"there is no answer {leaf.key}.", hint)


def _no_secrets(leaf: Leaf, source: str) -> AnswersError:
    return refuse(
        source,
        leaf.line,
        f"{leaf.key} is a secret, and secrets are not kept in this file.",
        "Remove the line and let `buildyard new` ask for it: it goes to the keyring. "
        "If others could read the file, change the secret where it comes from.",
    )


def _all_of(problems: Sequence[AnswersError], source: str) -> AnswersError:
    if len(problems) == 1:
        return problems[0]
    detail = "\n".join(f"{each.summary} {each.hint.removesuffix(' Nothing was changed.')}" for each in problems)
    return AnswersError(
        f"{source} has {len(problems)} lines that cannot be used.",
        detail=detail,
        hint="Correct them, then repeat the command. Nothing was changed.",
    )


def _check_version(leaf: Leaf | None, source: str) -> None:
    if leaf is None:
        return  # written by hand
    version = _plain(leaf.node)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise refuse(source, leaf.line, "version should be a number.", f"Write `version: {VERSION}`.")
    if version > VERSION:
        raise refuse(
            source,
            leaf.line,
            f"a newer Buildyard wrote this (version {version}; this one knows up to {VERSION}).",
            "Update Buildyard on this build machine.",
        )


def _own_text(leaf: Leaf | None, source: str) -> str:
    if leaf is None:
        return ""
    value = str(leaf.node.value) if isinstance(leaf.node, yaml.ScalarNode) else ""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", value):
        raise refuse(source, leaf.line, "this is no lineage.", "Put back the one Buildyard wrote, or remove the line.")
    return value


def _own_number(leaf: Leaf | None, source: str) -> int:
    if leaf is None:
        return 0
    value = _plain(leaf.node)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise refuse(source, leaf.line, "serial should be a number.", "Put back the one Buildyard wrote.")
    return value


def _shown(value: Any) -> str:
    text = repr(list(value) if isinstance(value, tuple) else value)
    if _SECRET_VALUES.search(text):
        return "that"
    return text if len(text) <= 60 else f"{text[:57]}…"


def _text_of(value: Any) -> str:
    """A value as YAML on one line."""
    plain = list(value) if isinstance(value, tuple) else value
    # Line breaks of any kind would end the line, or be folded into a space: in double quotes they are escaped.
    style = None if _characters(plain).isprintable() else '"'
    text = yaml.safe_dump(plain, default_flow_style=True, default_style=style, allow_unicode=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


def _nested_order(groups: Iterable[str]) -> list[str]:
    """Groups so that those under one heading follow each other; top-level answers come first."""
    order = list(groups)
    heads = list(dict.fromkeys(group.split(".")[0] for group in order))
    return sorted(order, key=lambda group: (group != "", heads.index(group.split(".")[0]), group.count(".")))


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> Iterable[str]:
    for first, second in zip(one, other, strict=False):
        if first != second:
            return
        yield first
