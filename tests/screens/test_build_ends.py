"""The build view when a run ends: well, failed, cut off; and a run that is played again."""

from __future__ import annotations

from pathlib import Path

from fleet.standing import Phase
from screens.build import BuildPage
from screens.dialogs.failure import FailureDialog
from screens.dialogs.problem import ProblemDialog
from screens.zoom import ZoomPage
from state.events import Kind
from tests.screens.at_build import focused, in_phase, page_of, ready
from tests.screens.build_story import URL, Story, done, failed, in_the_middle, lost
from tests.screens.conftest import app_of, text_on, until
from tests.screens.fake_backend import FakeBackend


async def test_a_good_end_says_what_is_served_and_enter_closes_with_the_runs_code(
    backend: FakeBackend, tmp_path: Path
) -> None:
    app = app_of(backend, lambda: page_of(done(tmp_path / "run")))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, in_phase(Phase.DONE))
        assert "✔ Done: https://shop.example.org/ is served" in text_on(app)
        await pilot.press("enter")
        await until(pilot, "the end", lambda: app.return_value is not None)
    assert app.return_value == 0
    assert backend.asked == []


async def test_a_failure_is_focused_explained_and_tried_again(backend: FakeBackend, tmp_path: Path) -> None:
    again: list[str] = []
    app = app_of(backend, lambda: page_of(failed(tmp_path / "run"), on_retry=again.append))
    async with app.run_test(size=(80, 50)) as pilot:
        await ready(pilot, in_phase(Phase.FAILED))
        await until(pilot, "focus", lambda: focused(app) == "ws-1")
        await pilot.pause()
        shown = text_on(app)
        assert "✖ webserver" in shown
        assert "nginx: [emerg] unknown directive" in shown
        assert "enter: details   r: retry" in shown
        await pilot.press("enter")
        await until(pilot, "the details", lambda: isinstance(app.screen, FailureDialog))
        await pilot.pause()
        shown = text_on(app)
        for text in (
            "webserver on ws-1 failed after 0:31",
            "Step 3 of 23: nginx starts",
            "its check ended with 1",
            "The last 20 lines it printed",
            "Next: mend the cause",
        ):
            assert text in shown, text
        await pilot.press("end")
        await until(pilot, "the last line", lambda: "Setting up php8.2-fpm, part 24" in text_on(app))
        await pilot.press("c")
        assert "part 24" in app.clipboard
        assert "part 4 " not in app.clipboard
        await pilot.press("r")
        await until(pilot, "the retry", lambda: again == ["shop"])


async def test_a_machine_that_died_is_told_with_its_step_why_and_what_next(
    backend: FakeBackend, tmp_path: Path
) -> None:
    again: list[str] = []
    app = app_of(backend, lambda: page_of(lost(tmp_path / "run"), on_retry=again.append))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, in_phase(Phase.FAILED))
        await until(pilot, "focus", lambda: focused(app) == "db-1")
        await pilot.pause()
        assert "✖ database" in text_on(app)
        await pilot.press("enter")
        await until(pilot, "the details", lambda: isinstance(app.screen, FailureDialog))
        await pilot.pause()
        shown = text_on(app)
        for text in (
            "database on db-1 failed after 0:47",
            "Step 2 of 14: MariaDB",
            "db-1 stopped answering during MariaDB (recipe database).",
            "it gave no sign of life for 30 s",
            "Next: look at db-1 in the provider's console, then run the same",
            "is gone is made anew",
        ):
            assert text in shown, text
        await pilot.press("end")
        await until(pilot, "what it printed last", lambda: "Setting up [mariadb-common]" in text_on(app))
        await pilot.press("r")
        await until(pilot, "the retry", lambda: again == ["shop"])


async def test_a_failure_while_others_go_on_is_said_and_cannot_be_retried_yet(
    backend: FakeBackend, tmp_path: Path
) -> None:
    again: list[str] = []
    story = failed(tmp_path / "run", over=False)
    app = app_of(backend, lambda: page_of(story, on_retry=again.append))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, lambda page: page.snapshot and page.snapshot.failure)
        assert "webserver on ws-1 failed; what does not need it goes on" in text_on(app)
        await pilot.press("r")
        await pilot.pause()
        assert again == []


async def test_a_problem_of_the_whole_run_is_shown_with_why_and_what_next(backend: FakeBackend, tmp_path: Path) -> None:
    story = Story(tmp_path / "run").begin(planned=False)
    data = {"summary": "The token is refused.", "detail": "401 from the API.", "hint": "buildyard new"}
    story.tell(Kind.PROBLEM, "The token is refused.", data=data)
    story.over(ok=False, text="Nothing more was done.")
    app = app_of(backend, lambda: page_of(story))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, "the dialog", lambda: isinstance(app.screen, ProblemDialog))
        await pilot.pause()
        shown = text_on(app)
        assert "401 from the API." in shown
        assert "Next: buildyard new" in shown
        await pilot.press("escape")
        await pilot.pause()
        assert "✖ The token is refused" in text_on(app)
        await pilot.press("enter")
        await until(pilot, "it is shown again", lambda: isinstance(app.screen, ProblemDialog))


async def test_a_runner_that_died_is_said_with_its_last_words(backend: FakeBackend, tmp_path: Path) -> None:
    story = in_the_middle(tmp_path / "run").dies()
    (story.folder / "runner.log").write_text("MemoryError\x1b]0;owned\x07\n")
    again: list[str] = []
    app = app_of(backend, lambda: page_of(story, on_retry=again.append))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, "the dialog", lambda: isinstance(app.screen, ProblemDialog))
        await pilot.pause()
        shown = text_on(app)
        assert "The run ended before it could say how" in shown
        assert "MemoryError" in shown
        assert "owned" not in shown
        assert "Next: buildyard build goes on from here" in shown
        await pilot.press("escape", "r")
        await until(pilot, "the retry", lambda: again == ["shop"])
        assert "▲ stopped" in text_on(app)


async def test_a_replay_shows_a_run_as_it_was_and_tells_nobody(backend: FakeBackend, tmp_path: Path) -> None:
    story = done(tmp_path / "run")
    app = app_of(backend, lambda: page_of(story, live=False))
    async with app.run_test(size=(80, 24)) as pilot:
        page = await ready(pilot, in_phase(Phase.DONE))
        assert "Replay of the build of shop.example.org" in page.heading.left
        assert page.heading.right == "took 0:37"
        await pilot.press("2")
        await until(pilot, "the zoomed machine", lambda: isinstance(app.screen, ZoomPage))
        await pilot.press("escape")
        await until(pilot, "the run", lambda: isinstance(app.screen, BuildPage))
        await pilot.press("escape")
        await until(pilot, "the end", lambda: app.return_value is not None)
    assert app.return_value == 0
    assert backend.asked == []


async def test_a_replay_of_a_run_that_was_cut_off_says_so(backend: FakeBackend, tmp_path: Path) -> None:
    app = app_of(backend, lambda: page_of(in_the_middle(tmp_path / "run").dies(), live=False))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, in_phase(Phase.INTERRUPTED))
        assert "✖ The run ended before it could say how" in text_on(app)
        assert isinstance(app.screen, BuildPage)


async def test_a_removal_shows_what_goes_and_that_all_is_gone(backend: FakeBackend, tmp_path: Path) -> None:
    story = Story(tmp_path / "run", ()).begin()
    story.whole("store", "network", "ssh-key", "zone", "firewalls", "sources", "dns", "site").over()
    page = BuildPage("shop", story.folder, "destroy", url=URL, clock=story.clock)
    app = app_of(backend, lambda: page)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot, in_phase(Phase.DONE))
        shown = text_on(app)
        assert "✔ Done: all of shop is removed" in shown
        assert "✔ private network" in shown
