"""Windows as a person writes them, and what they want at a moment."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.autoscaler.policy import ScheduleWindow
from fleet.autoscaler.schedule import check_window, open_window, parse_window, print_window, time_zone_problem

BERLIN = "Europe/Berlin"


def at(text: str, fold: int = 0, zone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def is_open(text: str, moment: float, zone: str = BERLIN) -> bool:
    return open_window([parse_window(text)], zone, moment) is not None


@pytest.mark.parametrize(
    ("text", "days", "begins", "ends", "count"),
    [
        ("08:30-18:00 Mon-Fri = 5", {0, 1, 2, 3, 4}, time(8, 30), time(18), 5),
        ("8:30 – 18:00 Mon–Fri → 5", {0, 1, 2, 3, 4}, time(8, 30), time(18), 5),
        ("10:00-14:00 Sat,Sun=2", {5, 6}, time(10), time(14), 2),
        ("22:00-06:00 fri - mon, wed = 3", {4, 5, 6, 0, 2}, time(22), time(6), 3),
        ("00:00-24:00 Sunday -> 1", {6}, time(0), time(0), 1),
    ],
)
def test_a_window_as_a_person_writes_it(text: str, days: set[int], begins: time, ends: time, count: int) -> None:
    assert parse_window(text) == ScheduleWindow(frozenset(days), begins, ends, count)
    assert check_window(text) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a window"),
        ("at night 5", "is not a window"),
        ("25:00-26:00 Mon = 2", "25:00 is no time of day"),
        ("08:00-09:61 Mon = 2", "09:61 is no time of day"),
        ("08:00-09:00 Moonday = 2", "'Moonday' is no day of the week"),
        ("08:00-09:00 Mon-Wed-Fri = 2", "'Mon-Wed-Fri' is no range"),
        ("08:00-09:00 Mon,, = 2", "'' is no day"),
        ("08:00-09:00 Mon = 0", "1 to 28 webservers, not 0"),
        ("08:00-09:00 Mon = 99", "1 to 28 webservers, not 99"),
    ],
)
def test_what_is_no_window_is_told_in_a_sentence(text: str, says: str) -> None:
    assert says in check_window(text)
    assert says in check_window(["08:30-18:00 Mon = 5", text])


@given(
    st.builds(
        ScheduleWindow,
        st.frozensets(st.integers(0, 6), min_size=1),
        st.times().map(lambda one: one.replace(second=0, microsecond=0)),
        st.times().map(lambda one: one.replace(second=0, microsecond=0)),
        st.integers(1, 28),
    )
)
def test_what_is_printed_is_read_again(window: ScheduleWindow) -> None:
    assert parse_window(print_window(window)) == window


def test_begin_is_in_and_end_is_out() -> None:
    text = "08:30-18:00 Mon-Fri = 5"
    for moment, expected in (
        ("2027-01-15T08:29:59", False),
        ("2027-01-15T08:30", True),
        ("2027-01-15T17:59:59", True),
        ("2027-01-15T18:00", False),
        ("2027-01-16T12:00", False),  # a Saturday
    ):
        assert is_open(text, at(moment)) is expected, moment


def test_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    text = "22:00-06:00 Sat = 2"
    for moment, expected in (
        ("2027-01-16T05:00", False),
        ("2027-01-16T22:00", True),
        ("2027-01-17T05:59", True),
        ("2027-01-17T06:00", False),
        ("2027-01-17T23:00", False),
    ):
        assert is_open(text, at(moment)) is expected, moment


def test_the_largest_of_overlapping_ones() -> None:
    windows = [parse_window(text) for text in ("08:00-18:00 Fri = 3", "09:00-10:00 Fri = 6", "09:30-20:00 Fri = 4")]
    for moment, count in (("08:30", 3), ("09:45", 6), ("17:00", 4), ("19:00", 4)):
        found = open_window(windows, BERLIN, at(f"2027-01-15T{moment}"))
        assert found is not None
        assert found.webservers == count
    assert open_window(windows, BERLIN, at("2027-01-15T21:00")) is None


def test_on_the_day_the_clocks_leap_forward() -> None:
    # Sunday, 28 March 2027: 02:00 is followed by 03:00 at 01:00 UTC.
    leap = at("2027-03-28T01:00", zone="UTC")
    assert is_open("01:00-02:30 Sun = 2", leap - 1)
    assert not is_open("01:00-02:30 Sun = 2", leap)  # 02:30 is over the moment it is leapt over
    assert not is_open("02:30-04:00 Sun = 2", leap - 1)
    assert is_open("02:30-04:00 Sun = 2", leap)
    assert not is_open("02:30-04:00 Sun = 2", at("2027-03-28T04:00"))
    assert not any(is_open("02:10-02:50 Sun = 2", leap + 60 * minute) for minute in range(-120, 120))


def test_on_the_day_the_clocks_fall_back() -> None:
    # Sunday, 31 October 2027: 03:00 summer time is followed by 02:00 at 01:00 UTC.
    first, second = at("2027-10-31T02:30"), at("2027-10-31T02:30", fold=1)
    assert second - first == 3600
    for text in ("02:30-03:00 Sun = 2", "01:00-02:45 Sun = 2"):
        # Open without a break over both: it would only flap.
        assert all(is_open(text, first + 60 * minute) for minute in range(61)), text
    assert not is_open("02:30-03:00 Sun = 2", first - 1)
    assert not is_open("02:30-03:00 Sun = 2", at("2027-10-31T03:00"))
    assert not is_open("01:00-02:45 Sun = 2", at("2027-10-31T02:45", fold=1))


@pytest.mark.parametrize("day", ["2027-03-27", "2027-10-30"])
def test_a_night_with_a_change_of_clocks_is_open_without_a_break(day: str) -> None:
    begins, hours = at(f"{day}T22:00"), {"2027-03-27": 7, "2027-10-30": 9}[day]
    open_minutes = [is_open("22:00-06:00 Sat = 2", begins + 60 * minute) for minute in range(-60, 60 * 11)]
    assert open_minutes.count(True) == hours * 60
    assert open_minutes.index(True) == 60


def test_a_time_zone_nobody_knows() -> None:
    assert time_zone_problem(BERLIN) == ""
    for name in ("Mars/Olympus", "", "../etc/passwd"):
        assert "is not known" in time_zone_problem(name)
