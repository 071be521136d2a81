"""The conversation, headless: what is asked next, what an answer is worth, what is kept, how one goes back.

Whatever renders it (questionary, a form) asks :meth:`Conversation.next` and gives :meth:`Conversation.answer`. Both may
ask the provider: one of them at a time, never on a screen's own thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from state.answers import problem_with
from state.errors import BuildyardError, PassphraseMissing
from state.questions import AnswerKind, Choice, Question, wrong_choice
from state.secret import Secret
from wizard.checking import from_text
from wizard.earlier import as_asked_now
from wizard.section import Section
from wizard.templates import TEMPLATE, Template, template_of


class Keeper(Protocol):
    """Where answers and secrets go."""

    @property
    def fixed(self) -> frozenset[str]:
        """Keys that cannot be changed (any more): the name, once something is kept under it."""

    def save(self, values: Mapping[str, Any]) -> None:
        """Keeps the answers."""

    def has_secret(self, name: str) -> bool:
        """Whether there is a secret of that name."""

    def hold_secret(self, name: str, secret: Secret) -> None:
        """Knows a secret for this conversation only: it is to be tried before it is kept."""

    def keep_held(self) -> None:
        """Keeps the secrets that are held."""

    def drop_held(self) -> None:
        """Forgets the secrets that are held."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The next question, ready to be shown.

    Attributes:
        section: under which heading.
        question: what is asked.
        default: the answer there is, else the likely one; None when there is none.
        choices: for CHOICE.
        kept: for SECRET: one is kept already, and an empty answer leaves it so.
    """

    section: Section
    question: Question
    default: Any
    choices: tuple[Choice, ...] = ()
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """An answer that differs from what the deployment had."""

    question: Question
    before: Any
    after: Any


class Conversation:
    """One conversation about one deployment. What was answered already is not asked again.

    Args:
        sections: from :func:`wizard.questions.sections`.
        keeper: keeps each answer at once.
        values: the answers there are.

    Raises:
        SecretsError: the secrets there are cannot be opened.
    """

    def __init__(
        self,
        sections: Sequence[Section],
        keeper: Keeper,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        self._sections = tuple(sections)
        self._keeper = keeper
        self._before = as_asked_now(values or {}, self._questions())
        self._values = dict(self._before)
        #: Keys in the order they were answered; a set is a step that was opened again and may be left as it was.
        self._history: list[str | frozenset[str]] = []
        self._choices: dict[str, tuple[Choice, ...]] = {}
        self._labels: dict[tuple[str, Any], str] = {}
        self._wanted: set[str] = set()
        self._new_secrets: set[str] = set()
        self._found: dict[str, str] = {}
        self._done = {question.key for question in self._questions() if self._is_answered(question)}
        self._unsaved = False

    @property
    def values(self) -> Mapping[str, Any]:
        """All answers so far, without secrets."""
        return dict(self._values)

    @property
    def sections(self) -> tuple[Section, ...]:
        """The headings, in order."""
        return self._sections

    @property
    def template(self) -> Template:
        """How it was begun."""
        return template_of(self._values)

    @property
    def can_go_back(self) -> bool:
        """Whether there is a question before this one."""
        return next(self._earlier(), None) is not None

    def is_done(self, question: Question) -> bool:
        """Whether it is answered."""
        return question.key in self._done

    def is_fixed(self, question: Question) -> bool:
        """Whether its answer cannot be changed any more."""
        return question.key in self._keeper.fixed

    def found(self, section: Section) -> str:
        """What trying the section's answers showed ("valid, account …"), "" when nothing was tried yet."""
        return self._found.get(section.key, "")

    def next(self) -> Asked | None:
        """The next question; None when all is answered and only the review is left.

        What the template answers by itself is answered on the way.

        Raises:
            BuildyardError: its choices cannot be had now (the provider does not answer), or an answer cannot be kept;
                may be tried again.
        """
        asked = self._next()
        self.save()
        return asked

    def problem(self, question: Question, given: Any) -> str:
        """What is wrong with an answer and what to do, "" when it is right; nothing is kept."""
        return self._convert(question, given)[1]

    def answer(self, given: Any) -> str:
        """Answers the question that :meth:`next` gave; what was taken is kept at once.

        Args:
            given: the value, or the text a person typed. For a secret that is kept already "" leaves it so.

        Returns:
            "" when it was taken; else what is wrong with it, to be shown beside the question.

        Raises:
            BuildyardError: it cannot be kept (the disk is full, …).
        """
        asked = self.next()
        if asked is None:
            return ""
        section, question = asked.section, asked.question
        value, problem = self._convert(question, given)
        if problem:
            return problem
        if not question.secret:
            self._take(question, value)
        ends = self._ends(section, question)
        # The answers first: which provider it is decides how the secrets are opened.
        self.save()
        if question.secret and value is not None:
            self._keeper.hold_secret(question.key, value)
            self._new_secrets.add(question.key)
        if ends:
            problem = self._verified(section)
            if problem:
                return problem
        # A secret is kept only when it works: one that does not would never be asked again.
        if ends or section.verify is None:
            self._keeper.keep_held()
        self._done.add(question.key)
        self._history.append(question.key)
        return ""

    def back(self) -> bool:
        """Asks the question before once more, or leaves a step that was opened again as it was.

        Returns:
            False when there is none before.
        """
        while self._history:
            last = self._history.pop()
            if isinstance(last, frozenset):
                self._done |= last
                return True
            if last not in self._keeper.fixed:
                self._done.discard(last)
                return True
        last = next(self._earlier(), "")
        self._done.discard(last)
        return last != ""

    def reopen(self, section_key: str) -> None:
        """Asks a whole section once more, with the answers there are as defaults."""
        for section in self._sections:
            if section.key == section_key:
                again = frozenset(question.key for question in section.questions) - self._keeper.fixed
                self._history.append(again & self._done)
                self._wanted |= again
                self._done -= again

    def save(self) -> None:
        """Keeps what was answered so far; done by itself after each answer.

        Raises:
            BuildyardError: it cannot be kept.
        """
        if self._unsaved:
            self._keeper.save(self._values)
            self._unsaved = False

    def changes(self) -> tuple[Change, ...]:
        """What differs from the answers the conversation began with; a secret that was replaced has no values."""
        return tuple(
            Change(question, self._before.get(question.key), self._values.get(question.key))
            for question in self._questions()
            if self._before.get(question.key) != self._values.get(question.key) or question.key in self._new_secrets
        )

    def shown(self, question: Question, value: Any) -> str:
        """An answer as a person reads it; a secret as dots."""
        if question.secret:
            return "•••••••• (kept with the secrets)"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if value in (None, "", [], ()):
            return "–"
        if isinstance(value, list | tuple):
            return ", ".join(value)
        label = self._labels.get((question.key, value), "")
        if not label or label.casefold() == str(value).casefold():
            return label or str(value)
        return f"{label} ({value})"

    def _next(self) -> Asked | None:
        for section in self._sections:
            for question in section.questions:
                if question.key in self._done or not question.applies(self._values):
                    continue
                choices = self._choices_of(question)
                if not self._is_silent(question) or not self._settle(question):
                    kept = question.secret and self._keeper.has_secret(question.key)
                    return Asked(section, question, self._default_of(question), choices, kept)
        return None

    def _questions(self) -> tuple[Question, ...]:
        return tuple(question for section in self._sections for question in section.questions)

    def _earlier(self) -> Iterator[str]:
        """Answered questions before the one that is asked now, the nearest first."""
        earlier: list[str] = []
        for question in self._questions():
            if question.key in self._done:
                if question.applies(self._values) and not self.is_fixed(question) and not self._is_silent(question):
                    earlier.append(question.key)
            elif question.applies(self._values):
                break
        return reversed(earlier)

    def _is_silent(self, question: Question) -> bool:
        """The template answers it, where it can."""
        asks = self.template.asks
        if asks is None or question.secret or question.key in (TEMPLATE.key, *self._wanted):
            return False
        return question.key not in asks

    def _settle(self, question: Question) -> bool:
        """Takes the answer that the template brings, or the usual one; False when there is none."""
        for value in self.template.candidates(question, self._values):
            if not self.problem(question, value):
                self._take(question, value)
                self._done.add(question.key)
                return True
        return False

    def _is_answered(self, question: Question) -> bool:
        if question.secret:
            return question.applies(self._values) and self._keeper.has_secret(question.key)
        return question.key in self._values and not problem_with(question, self._values[question.key])

    def _default_of(self, question: Question) -> Any:
        if question.secret:
            return None
        return self._values.get(question.key, question.default_for(self._values))

    def _choices_of(self, question: Question) -> tuple[Choice, ...]:
        if question.choices is None:
            return ()
        if question.key not in self._choices:
            found = self._choices[question.key] = question.choices(self._values)
            self._labels.update({(question.key, each.value): " ".join(each.label.split()) for each in found})
        return self._choices[question.key]

    def _convert(self, question: Question, given: Any) -> tuple[Any, str]:
        if question.secret:
            text = given.reveal() if isinstance(given, Secret) else str(given)
            if not text:
                return None, "" if self._keeper.has_secret(question.key) else "This must be answered."
            return Secret(text), question.check(text)
        value = from_text(question.kind, given) if isinstance(given, str) else given
        problem = problem_with(question, value)
        if not problem and question.choices is not None:
            problem = wrong_choice(value, self._choices_of(question))
        return value, problem

    def _take(self, question: Question, value: Any) -> None:
        if self._values.get(question.key) == value and question.key in self._values:
            return
        if question.key == TEMPLATE.key:
            self._forget_settled()
        self._values[question.key] = value
        self._unsaved = True
        if question.kind is AnswerKind.CHOICE:
            self._choices.clear()
            self._doubt_later_choices(question)

    def _forget_settled(self) -> None:
        """Another way to begin brings its own answers."""
        for key in [each.key for each in self._questions() if self._is_silent(each)]:
            self._done.discard(key)
            self._values.pop(key, None)

    def _doubt_later_choices(self, question: Question) -> None:
        """Another provider has other regions: what can no longer be chosen is asked again."""
        keys = [each.key for each in self._questions()]
        for later in self._questions()[keys.index(question.key) + 1 :]:
            if later.choices is None or later.key not in self._done or later.key in self._keeper.fixed:
                continue
            try:
                wrong = wrong_choice(self._values.get(later.key), later.choices(self._values))
            except BuildyardError:
                wrong = "unknown"
            if wrong:
                self._done.discard(later.key)
                self._values.pop(later.key, None)

    def _ends(self, section: Section, question: Question) -> bool:
        return all(
            each.key in self._done or each.key == question.key or self._is_silent(each)
            for each in section.questions
            if each.applies(self._values)
        )

    def _verified(self, section: Section) -> str:
        """Tries the answers of a section; returns what is wrong. A secret that does not work is forgotten."""
        if section.verify is None:
            return ""
        try:
            self._found[section.key] = section.verify(self._values)
        except PassphraseMissing:
            raise
        except BuildyardError as error:
            held = {each.key for each in section.questions if each.secret}
            self._keeper.drop_held()
            self._found.pop(section.key, None)
            self._done -= held & self._new_secrets
            self._new_secrets -= held
            return " ".join(part for part in (error.summary, error.detail, error.hint) if part)
        return ""
