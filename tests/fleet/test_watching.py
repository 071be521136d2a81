"""The autoscaler's journal folded into what a watcher knows, and the rows made of it."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal

from fleet.autoscaler.asked import Asked
from fleet.autoscaler.heard import Heard
from fleet.autoscaler.sample import Stand
from fleet.autoscaler.view import Phase
from fleet.autoscaler.watch_rows import Known, Look, Row, rows
from fleet.autoscaler.watched import Tone, Watched
from fleet.autoscaler.watching import KEPT_POINTS, KEPT_TOLD, Watching, watched
from state.events import Event, Kind
from state.fleet_record import Stage
from tests.fleet.autoscaler_journal import calm, decision, leads, line, record, replacement, sample, server
from tests.fleet.autoscaler_views import NOW, policy, view

RULE = policy(target=2, minimum=2, maximum=6)


def by_name(seen: Watched, known: Known) -> dict[str, Row]:
    return {row.name: row for row in rows(seen, known)}


def test_a_replacement_is_told_in_its_order() -> None:
    seen = watched(replacement(NOW))
    assert seen.leader == "as-1"
    assert (seen.there, seen.serving, seen.sample.wanted) == (3, 1, 2)
    acts = [text for told in seen.told for text in told.acts]
    assert acts[0].startswith("ws-2 is ill, it is silent")
    held_back = [text for told in seen.told for text in told.held_back]
    assert "ws-2 is not replaced yet" in held_back[0]
    assert [one.machine for one in seen.under_way] == ["ws-3"]
    assert seen.under_way[0].step == "package nginx"


def test_a_decision_that_stays_the_same_is_one_thing_however_often_it_is_made() -> None:
    seen = watched(calm(2, NOW, 600, RULE))
    assert len(seen.told) == 1
    assert (seen.told[0].at, seen.told[0].until) == (NOW, NOW + 600)


def test_the_rows_say_who_does_what_and_why() -> None:
    known = Known(record(2, ws_2={"out_of_dns": "it is silent"}), {"db-1": Decimal(12)})
    found = by_name(watched(replacement(NOW)), known)
    assert list(found) == ["as-1", "as-2", "ws-1", "ws-2", "ws-3", "db-1"]
    assert (found["as-1"].words, found["as-2"].words) == ("leads", "stands by")
    assert (found["ws-1"].look, found["ws-1"].in_dns, found["ws-1"].answer_ms) == (Look.GOOD, True, 270.0)
    assert (found["ws-2"].look, found["ws-2"].words, found["ws-2"].in_dns) == (Look.BAD, "ill", False)
    assert found["ws-2"].reason == "it is silent: as-1 saw it 5 of 5 times, db-1 saw it 5 of 5 times"
    assert (found["ws-3"].words, found["ws-3"].address) == ("building", ""), "the record does not know it yet"
    assert found["ws-3"].reason == "takes the place of ws-2, package nginx"
    assert found["db-1"].price == Decimal(12)
    assert found["ws-1"].price == Decimal(6), "as the leader knows it"
    assert found["as-1"].price is None
    assert found["as-1"].in_dns is None


def test_a_machine_that_only_the_record_knows_has_a_row() -> None:
    asked = record(3, ws_3={"stage": Stage.ASKED, "replaces": "ws-1", "created_at": ""})
    found = by_name(watched(calm(2, NOW, 0, RULE)), Known(asked))
    assert (found["ws-3"].words, found["ws-3"].reason) == ("building", "takes the place of ws-1")
    leaving = record(3, ws_3={"leaving": "too many"})
    assert by_name(watched(calm(2, NOW, 0, RULE)), Known(leaving))["ws-3"].reason == "too many"


def test_a_sick_database_and_a_protected_webserver_show() -> None:
    seen = view(server("ws-1", NOW), database_problem="InnoDB: no space left")
    rule = replace(RULE, protected=frozenset({"ws-1"}))
    found = by_name(watched([decision(seen, rule, NOW), sample(seen, rule, NOW)]), Known(record(1)))
    assert (found["db-1"].look, found["db-1"].reason) == (Look.BAD, "InnoDB: no space left")
    assert found["ws-1"].protected
    blind = view(server("ws-1", NOW), database_problem=None)
    assert by_name(watched([sample(blind, RULE, NOW)]), Known(record(1)))["db-1"].look is Look.UNKNOWN


def test_what_an_owner_asked_shows_at_the_machine_that_is_meant() -> None:
    since = {"since": NOW - 100}
    seen = view(
        server("ws-1", NOW, in_dns=False, **since),
        server("ws-2", NOW, **since),
        server("ws-3", NOW, pattern="RRRRRRRRRR", in_dns=False, **since),
    )
    asked = tuple(Asked(f"ws-{number}", NOW - 50) for number in (1, 2, 3))
    rule = replace(RULE, drained=(asked[0], asked[2]), replacing=(asked[1],))
    told = watched([decision(seen, rule, NOW), sample(seen, rule, NOW)])
    assert (told.there, told.serving) == (3, 1)
    found = by_name(told, Known(record(3)))
    assert (found["ws-1"].words, found["ws-1"].reason) == ("drained", "its owner keeps it without visitors")
    assert (found["ws-2"].replacing, found["ws-2"].drained, found["ws-2"].words) == (True, False, "serving")
    assert (found["ws-3"].words, found["ws-3"].drained) == ("ill", True), "that it is ill matters more"
    later = replace(rule, drained=(Asked("ws-1", NOW - 200),))
    assert (
        by_name(watched([decision(seen, later, NOW), sample(seen, later, NOW)]), Known(record(3)))["ws-1"].words
        == "well, no DNS"
    ), "an earlier ws-1 was meant"


def test_every_stand_has_its_words() -> None:
    seen = view(
        server("ws-1", NOW),
        server("ws-2", NOW, in_dns=False),
        server("ws-3", NOW, pattern=".........s"),
        server("ws-4", NOW, phase=Phase.LEAVING, in_dns=False),
    )
    found = watched([sample(seen, RULE, NOW)])
    stands = {one.name: one.stand for one in found.sample.webservers}
    assert stands == {"ws-1": Stand.WELL, "ws-2": Stand.WELL, "ws-3": Stand.UNSURE, "ws-4": Stand.LEAVING}
    words = {name: row.words for name, row in by_name(found, Known(record(4))).items()}
    assert [words[f"ws-{number}"] for number in range(1, 5)] == ["serving", "well, no DNS", "unsure", "leaving"]


def test_what_is_kept_is_bounded_whatever_comes() -> None:
    watching = Watching()
    for event in calm(2, NOW, 3 * 3600, RULE):
        watching.apply(event)
    for number in range(3 * KEPT_TOLD):
        watching.apply(Event(Kind.NOTE, f"note {number}", at=NOW + 3 * 3600 + number))
    seen = watching.watched()
    assert len(seen.told) == KEPT_TOLD
    assert max(len(points) for points in (*seen.answers.values(), seen.counts)) <= KEPT_POINTS
    assert min(point.at for point in seen.counts) >= seen.at - 3600


def test_a_webserver_that_is_gone_leaves_the_charts_after_a_while() -> None:
    watching = Watching()
    for event in (*calm(3, NOW, 60, RULE), *calm(2, NOW + 70, 300, RULE)):
        watching.apply(event)
    assert "ws-3" in watching.watched().answers
    for event in calm(2, NOW + 400, 600, RULE):
        watching.apply(event)
    assert set(watching.watched().answers) == {"ws-1", "ws-2"}


def test_the_next_leaders_journal_goes_on_where_the_dead_ones_ended() -> None:
    watching = Watching()
    watching.follows("as-1")
    for event in replacement(NOW):
        watching.apply(event)
    before = watching.watched()
    watching.follows("as-2")
    watching.apply(Event(Kind.NOTE, "as-2 stands by: another autoscaler leads.", at=NOW))
    later = before.at + 30
    watching.apply(leads(later, "as-2", 4))
    for event in calm(2, later + 1, 60, RULE):
        watching.apply(
            event if event.kind is not Kind.SAMPLE else replace(event, data={**event.data, "leader": "as-2"})
        )
    after = watching.watched()
    assert after.leader == "as-2"
    assert after.told[: len(before.told)] == before.told
    assert "as-2 stands by: another autoscaler leads." not in [told.text for told in after.told]
    assert after.under_way == (), "what the dead one had under way is not shown for ever"
    assert after.counts[0] == before.counts[0]


def test_the_same_journal_read_once_more_is_not_told_twice() -> None:
    events = list(replacement(NOW))
    watching = Watching()
    watching.follows("as-1")
    for event in events:
        watching.apply(event)
    before = watching.watched()
    watching.follows("as-1")
    for event in events[: len(events) // 2]:
        watching.apply(event)
    assert watching.watched() == before, "half-way through, what was known before is shown"
    for event in events[len(events) // 2 :]:
        watching.apply(event)
    assert watching.watched() == before


def test_what_a_newer_program_wrote_is_said_and_not_half_understood() -> None:
    good = decision(view(server("ws-1", NOW)), RULE, NOW)
    newer = {**good.data, "policy": {**good.data["policy"], "version": 99}}
    seen = watched([good, replace(good, data=newer, at=NOW + 1)])
    assert "newer Buildyard" in seen.trouble
    assert seen.policy == RULE
    assert watched([good, replace(good, data=newer), replace(good, at=NOW + 2)]).trouble == ""
    assert "damaged" in watched([Event(Kind.SAMPLE, data={"version": 1, "webservers": 7}, at=NOW)]).trouble


def test_nothing_in_a_reason_steers_the_terminal() -> None:
    seen = view(server("ws-1", NOW, pattern="5555555555", detail="\x1b]0;evil\x07 502\nBad"))
    event = Event(Kind.PROBLEM, "\x1b[2Jfirst\nsecond", machine="ws-1", at=NOW)
    found = watched([sample(seen, RULE, NOW), event])
    texts = [*(told.text for told in found.told), *(one.reason for one in found.sample.webservers)]
    assert all(text.isprintable() for text in texts), texts
    assert "ws-1: first second" in texts


def test_a_failed_act_is_a_problem_and_ends() -> None:
    events = [
        Event(Kind.ACTION_STARTED, "machine ws-3", "ws-3", "machine:ws-3", at=NOW),
        Event(Kind.ACTION_FINISHED, "The quota is used up.", "ws-3", "machine:ws-3", data={"ok": False}, at=NOW + 1),
    ]
    seen = watched(events)
    assert seen.under_way == ()
    assert [(told.tone, told.text) for told in seen.told] == [(Tone.PROBLEM, "ws-3: The quota is used up.")]


def test_ten_minutes_of_thirty_machines_are_read_in_less_than_a_second() -> None:
    rule = policy(target=28, maximum=28)
    lines = [line(event) for event in calm(28, NOW, 600, rule)]
    lines += [line(Event(Kind.OUTPUT, f"line {number}", "ws-1", at=NOW + 601)) for number in range(5000)]
    heard = Heard()
    heard.follows("as-1")
    # Of this thread alone: what else the machine does is no work of ours.
    began = time.thread_time()
    for one in lines:
        heard.line(one)
    news = heard.news()
    seconds = time.thread_time() - began
    assert news is not None
    assert news.there == 28
    assert seconds < 1.0
    assert heard.news() is None, "nothing new"
