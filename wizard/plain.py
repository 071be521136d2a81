"""The conversation in lines, by questionary: for terminals without a full screen, and for ears."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import questionary
from prompt_toolkit.input import Input
from prompt_toolkit.output import Output
from questionary import Choice as Option
from questionary import Question as Prompt

from state.errors import BuildyardError, Stopped
from state.questions import AnswerKind
from wizard.flow import Asked, Conversation
from wizard.overview import NOTHING_ELSE, commands, review
from wizard.plan_rows import NOTHING, lines, touched
from wizard.section import Section

if TYPE_CHECKING:
    from fleet.plan import Plan

#: Typed alone, it goes one question back.
BACK = "<"
#: What questionary draws before and around a line of a list.
_CURSOR = 8
_RETRY, _LEAVE, _GO, _CHANGE = "retry", "leave", "go", "change"
#: A region's name comes from a vendor; it must not speak to the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where is asked; None means the terminal of this process.

    Attributes:
        out: where headings and reviews go.
        input, output: prompt_toolkit's, for tests.
        columns: its width.
    """

    out: TextIO
    input: Input | None = None
    output: Output | None = None
    columns: int = 80

    def say(self, text: str = "") -> None:
        """Prints lines, broken between words where the terminal ends."""
        for line in _clean(text).split("\n"):
            indent = line[: len(line) - len(line.lstrip())]
            parts = textwrap.wrap(line, self.columns, subsequent_indent=indent, break_on_hyphens=False)
            print("\n".join(parts), file=self.out, flush=True)

    def ask(self, make: Callable[..., Prompt], *words: Any, **settings: Any) -> Any:
        """Asks with questionary; Ctrl-C and Ctrl-D end the conversation."""
        plumbing = {"input": self.input, "output": self.output} if self.input is not None else {}
        return make(*words, **settings, **plumbing).unsafe_ask()


def converse(
    conversation: Conversation,
    terminal: Terminal,
    *,
    plan: Callable[[], Plan],
    notes: Callable[[], tuple[str, ...]] = tuple,
    resume: str = "buildyard new",
    only_changes: bool = False,
) -> bool:
    """Asks what is not answered yet, then shows the review until the user is content.

    Args:
        conversation: what to ask.
        terminal: where.
        plan: what a build would do, made when the review is shown; asks the provider, changes nothing.
        notes: sentences for the review (price, what was never tried), made when it is shown.
        resume: the command that goes on where this was left.
        only_changes: the review shows what differs from before (a deployment that exists).

    Returns:
        Whether the user wants it so.

    Raises:
        Stopped: Ctrl-C; everything answered so far is kept.
        BuildyardError: answers cannot be kept.
    """
    try:
        while True:
            _ask_all(conversation, terminal)
            terminal.say("\nReview\n")
            terminal.say(review(conversation, only_changes=only_changes))
            is_planned = _show_plan(conversation, terminal, plan, notes)
            chosen = _ask_whether_right(conversation, terminal, may_retry=not is_planned)
            if chosen in (_GO, _LEAVE):
                conversation.save()
                return bool(chosen == _GO)
            if chosen != _RETRY:
                conversation.reopen(chosen)
    except (KeyboardInterrupt, EOFError):
        conversation.save()
        raise Stopped("Stopped. What you answered is kept.", hint=f"{resume} goes on from here") from None


def _ask_all(conversation: Conversation, terminal: Terminal) -> None:
    heading: Section | None = None
    while True:
        try:
            asked = conversation.next()
        except BuildyardError as problem:
            _ask_about_failure(conversation, terminal, problem)
            continue
        if asked is None:
            return
        if asked.section is not heading:
            heading = asked.section
            terminal.say(f"\n{heading.title}")
        given = _ask_one(conversation, terminal, asked)
        if given == BACK:
            if not conversation.back():
                terminal.say("This is the first question.")
            continue
        problem_text = conversation.answer(given)
        if problem_text:
            terminal.say(f"  ✗ {problem_text}")


def _ask_one(conversation: Conversation, terminal: Terminal, asked: Asked) -> Any:
    question = asked.question
    label = _clean(question.label)
    if question.help:
        terminal.say(f"  {question.help}")
    if question.kind is AnswerKind.CHOICE:
        return _select(terminal, label, asked)
    if question.kind is AnswerKind.YES_NO:
        options = [Option("Yes", True), Option("No", False), Option("← Back", BACK)]
        default = next((option for option in options if option.value is asked.default), None)
        return terminal.ask(questionary.select, label, choices=options, default=default)

    def check(text: str) -> bool | str:
        return text.strip() == BACK or conversation.problem(question, text) or True

    if question.secret:
        return terminal.ask(questionary.password, label, validate=check, validate_while_typing=False)
    return str(
        terminal.ask(
            questionary.text, label, default=_typed(asked.default), validate=check, validate_while_typing=False
        )
    ).strip()


def _select(terminal: Terminal, label: str, asked: Asked) -> Any:
    names = {each.value: f"{each.label}, {each.aside}" if each.aside else each.label for each in asked.choices}
    titles = {each.value: " – ".join(filter(None, (names[each.value], each.help))) for each in asked.choices}
    if any(len(titles[each.value]) + len(each.unavailable) > terminal.columns - _CURSOR for each in asked.choices):
        # A line of the list that is too long is cut off: what it says is said above, in as many lines as it takes.
        for each in asked.choices:
            terminal.say(
                "    " + ". ".join(part.rstrip(".") for part in (titles[each.value], each.unavailable) if part)
            )
        titles = names
    options = [
        Option(
            title=_clean(titles[choice.value]),
            value=choice.value,
            disabled=_clean(choice.unavailable) or None,
        )
        for choice in asked.choices
    ]
    options.append(Option("← Back", BACK))
    default = next((option for option in options if option.value == asked.default and not option.disabled), None)
    return terminal.ask(questionary.select, label, choices=options, default=default)


def _ask_about_failure(conversation: Conversation, terminal: Terminal, problem: BuildyardError) -> None:
    terminal.say(f"\n  ✗ {problem.text()}")
    options = [Option("Try again", _RETRY), Option("← Back", BACK), Option("Leave; what you answered is kept", _LEAVE)]
    chosen = terminal.ask(questionary.select, "What now?", choices=options)
    if chosen == _LEAVE:
        raise KeyboardInterrupt
    if chosen == BACK:
        conversation.back()


def _show_plan(
    conversation: Conversation, terminal: Terminal, plan: Callable[[], Plan], notes: Callable[[], tuple[str, ...]]
) -> bool:
    """What a build would do, and the command for it; False when the provider cannot be asked, which is said."""
    terminal.say("\nAsking the provider what is there already. Nothing is changed.")
    try:
        planned, sentences = plan(), notes()
    except BuildyardError as problem:
        terminal.say(f"\n  ✗ There is no plan: {problem.text()}")
        return False
    here, elsewhere = commands(str(conversation.values.get("deployment.name", "")))
    terminal.say("\nWhat will be touched")
    for each in (*touched(planned), NOTHING_ELSE):
        terminal.say(f"  {each}")
    terminal.say("\nPlan")
    table = ["".join(line.cells).rstrip() for line in lines(planned, terminal.columns - 2)]
    terminal.say("\n".join(f"  {line}" for line in table or [NOTHING]))
    for each in sentences:
        terminal.say(f"\n{each}")
    terminal.say(f"\nThe same by command\n  {here}\n  elsewhere, with a copy of the answers: {elsewhere}\n")
    return True


def _ask_whether_right(conversation: Conversation, terminal: Terminal, *, may_retry: bool) -> str:
    options = [
        *([Option("Ask for the plan once more", _RETRY)] if may_retry else []),
        Option("Yes, keep it so", _GO),
        Option("Change something", _CHANGE),
        Option("Leave; what you answered is kept", _LEAVE),
    ]
    chosen = str(terminal.ask(questionary.select, "Is this right?", choices=options))
    if chosen != _CHANGE:
        return chosen
    headings = [Option(section.title, section.key) for section in conversation.sections]
    return str(terminal.ask(questionary.select, "What?", choices=headings))


def _typed(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)


def _clean(text: str) -> str:
    return _CONTROL.sub("", text)
