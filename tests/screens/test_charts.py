"""Figures over time as characters."""

from __future__ import annotations

from fleet.autoscaler.watched import Count, Point
from screens.charts import Span, answer_chart, axis, bars, count_chart, largest, latest, nice_top, spark
from screens.widgets.machine_rows import Row
from tests.fleet.autoscaler_views import NOW


def drawn(rows: list[Row]) -> list[str]:
    return ["".join(text for text, _ in row) for row in rows]


def test_a_column_shows_its_worst_and_holds_it_until_it_is_old() -> None:
    span = Span(NOW, 600, 10)
    points = [Point(NOW - 590, 40.0), Point(NOW - 545, 90.0), Point(NOW - 541, 70.0), Point(NOW - 5, 10.0)]
    assert largest(points, span) == [90.0, 70.0, 70.0, *[None] * 6, 10.0]
    assert largest([], span) == [None] * 10


def test_what_is_outside_of_the_time_is_not_shown() -> None:
    assert largest([Point(NOW - 5000, 1.0), Point(NOW + 500, 2.0)], Span(NOW, 600, 3)) == [None] * 3


def test_bars_have_eight_heights_a_row_and_the_smallest_is_seen() -> None:
    assert spark([None, 0.0, 50.0, 100.0], 100.0) == " ▁▄█"
    assert bars([0.1, 50.0, 100.0], 100.0, 2) == ["  █", "▁██"]


def test_the_scale_is_a_round_number_with_room_above() -> None:
    assert [nice_top([value]) for value in (3.0, 21.0, 270.0, 999.0, 1200.0)] == [20.0, 30.0, 400.0, 1500.0, 1500.0]
    assert drawn(answer_chart([100.0], 100.0, 3)) == ["  100 █", "      █", "    0 █"]


def test_missing_and_surplus_webservers_differ_by_character() -> None:
    counts = [None, Count(NOW, 2, 2, 2), Count(NOW, 1, 1, 3), Count(NOW, 3, 3, 2)]
    assert drawn(count_chart(counts, 3)) == ["    3   ┄░", "    2  █┄█", "    1  ███"]


def test_a_few_webservers_are_drawn_tall_and_many_share_a_row() -> None:
    assert drawn(count_chart([Count(NOW, 2, 2, 2)], 4)) == ["    2 █", "      █", "    1 █", "      █"]
    many = drawn(count_chart([Count(NOW, 28, 28, 28)], 7))
    assert many == [f"{number:>5} █" for number in (28, 24, 20, 16, 12, 8, 4)]


def test_the_axis_marks_what_was_done() -> None:
    assert drawn([axis([NOW - 1, NOW - 61], Span(NOW, 240, 4))]) == ["      ──▲▲"]
    assert latest([Count(NOW - 1, 1, 1, 1)], Span(NOW, 120, 2)) == [None, Count(NOW - 1, 1, 1, 1)]
