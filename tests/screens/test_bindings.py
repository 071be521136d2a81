"""Every page and dialog there is: its keys are said in footer, help and palette, once each, and fit a small terminal.

Classes are found by looking into every module of ``screens``; nothing is constructed, so a new page is held to this
without a line here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator

import pytest
from textual.binding import Binding, BindingsMap
from textual.keys import format_key
from textual.screen import ModalScreen, Screen

import screens
from screens.app import BuildyardApp
from screens.page import Page

NARROWEST = 80


def classes(kind: type[Screen]) -> list[type[Screen]]:
    """All of that kind which are declared in ``screens``."""
    found = {}
    for info in pkgutil.walk_packages(screens.__path__, "screens."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, kind) and value.__module__ == module.__name__:
                found[f"{value.__module__}.{value.__qualname__}"] = value
    found.pop("screens.page.Page", None)
    return list(found.values())


PAGES = classes(Page)
DIALOGS = classes(ModalScreen)


def own_bindings(one: type) -> Iterator[Binding]:
    """A binding a key, of the class itself and what it inherits from classes of ours."""
    seen: set[str] = set()
    for base in one.__mro__:
        if not base.__module__.startswith("screens"):
            continue
        declared = list(Binding.make_bindings(vars(base).get("BINDINGS", ())))
        yield from (binding for binding in declared if binding.key not in seen)
        seen |= {binding.key for binding in declared}


def footer(one: type, *more: type) -> str:
    """The footer as it is drawn, at its longest: one word a key, the first key of each action."""
    words: dict[str, str] = {}
    drawn: set[str] = set()
    for owner in (one, *more):
        for binding in own_bindings(owner):
            if binding.show and binding.action not in drawn:
                drawn.add(binding.action)
                word = f"{binding.key_display or format_key(binding.key)} {binding.description}"
                words[binding.key] = max(words.get(binding.key, ""), word, key=len)
    return " ".join(words.values())


def test_there_are_pages_and_dialogs() -> None:
    assert {"DashboardPage", "LogsPage"} <= {page.__name__ for page in PAGES}
    assert {"MenuDialog", "DestroyDialog", "HelpDialog"} <= {dialog.__name__ for dialog in DIALOGS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
def test_a_page_says_what_it_is(page: type[Page]) -> None:
    assert page.NAME
    assert page.HELP.endswith(".")


@pytest.mark.parametrize("one", [*PAGES, *DIALOGS, BuildyardApp], ids=lambda one: one.__name__)
def test_every_shown_key_has_a_word_and_says_what_it_is_for(one: type) -> None:
    for binding in own_bindings(one):
        if binding.show:
            assert binding.description, binding
            assert binding.tooltip, f"{one.__name__}: {binding.key} is not in help and palette without a tooltip"
            assert not binding.system, binding


@pytest.mark.parametrize("one", [*PAGES, *DIALOGS, BuildyardApp], ids=lambda one: one.__name__)
def test_what_is_in_help_has_a_word(one: type) -> None:
    for binding in own_bindings(one):
        assert not binding.tooltip or binding.description, binding


@pytest.mark.parametrize("one", [*PAGES, *DIALOGS], ids=lambda one: one.__name__)
def test_help_says_each_action_once_with_its_own_key(one: type) -> None:
    """Page.actions() shows an action once: two entries for the same one would hide a key."""
    declared = [binding for binding in vars(one).get("BINDINGS", ()) if isinstance(binding, Binding)]
    actions = Counter(binding.action for binding in declared if binding.tooltip)
    assert [action for action, count in actions.items() if count > 1] == []
    words = Counter((binding.description, binding.tooltip) for binding in declared if binding.tooltip)
    assert [word for word, count in words.items() if count > 1] == [], "the palette could not tell them apart"


@pytest.mark.parametrize("one", [*PAGES, *DIALOGS], ids=lambda one: one.__name__)
def test_no_key_does_two_things(one: type) -> None:
    """Unless the page says by ``check_action`` which of them is meant now: then only that one is there at a time."""
    if "check_action" in vars(one):
        return
    keys = Counter(binding.key for binding in Binding.make_bindings(vars(one).get("BINDINGS", ())))
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
def test_no_page_takes_a_key_of_the_program(page: type[Page]) -> None:
    ours = {binding.key for binding in own_bindings(BuildyardApp)}
    assert ours & {binding.key for binding in own_bindings(page)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
def test_a_pages_footer_fits_the_smallest_terminal(page: type[Page]) -> None:
    line = footer(page, BuildyardApp)
    assert len(line) <= NARROWEST, f"{len(line)} columns: {line}"


@pytest.mark.parametrize("dialog", DIALOGS, ids=lambda dialog: dialog.__name__)
def test_a_dialogs_footer_fits_the_smallest_terminal(dialog: type[Screen]) -> None:
    assert len(footer(dialog)) <= NARROWEST


@pytest.mark.parametrize("dialog", DIALOGS, ids=lambda dialog: dialog.__name__)
def test_every_dialog_can_be_left_with_esc(dialog: type[Screen]) -> None:
    assert "escape" in {binding.key for binding in own_bindings(dialog)}


@pytest.mark.parametrize("one", [*PAGES, *DIALOGS], ids=lambda one: one.__name__)
def test_every_action_exists(one: type[Screen]) -> None:
    """A key whose action is misspelt does nothing, silently."""
    for binding in own_bindings(one):
        name = binding.action.split("(")[0]
        owner: type = one
        if "." in name:
            where, name = name.rsplit(".", 1)
            owner = {"app": BuildyardApp, "screen": one}[where]
        assert any(hasattr(owner, f"{prefix}_{name}") for prefix in ("action", "_action")), binding


def test_the_map_that_textual_makes_agrees() -> None:
    """What is counted here is what Textual binds."""
    for one in (*PAGES, *DIALOGS):
        bound = BindingsMap(vars(one).get("BINDINGS", ())).key_to_bindings
        assert set(bound) <= {binding.key for binding in own_bindings(one)}
