"""What the live view of the autoscaler says, row by row, for the room there is: plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from rich.cells import cell_len

from fleet.autoscaler.heard import Connection
from fleet.autoscaler.watch_rows import Look
from fleet.autoscaler.watch_rows import Row as Machine
from fleet.autoscaler.watched import Told, Tone, Watched
from screens import signs
from screens.durations import clock
from screens.widgets.machine_rows import Row, fit, wrapped
from screens.wording import counted

SIGNS = {
    Look.GOOD: signs.DONE,
    Look.DOING: signs.DOING,
    Look.DOUBTFUL: signs.WARNING,
    Look.BAD: signs.FAILED,
    Look.UNKNOWN: signs.TODO,
}
#: From this width on a row has a small chart of its own and says why it stands as it does.
WIDE = 110
TREND = 20
_GAP = " "
_LEAST_HEALTH = 13
_DAY_S, _HOUR_S, _MINUTE_S = 86400, 3600, 60


def status_row(watched: Watched, connection: Connection, now: float, width: int) -> Row:
    """Who leads, how many serve, how many are wanted, whether it is paused; or what is waited for."""
    if not connection.live:
        words = f"{signs.WAITING} {connection.words}"
        if watched.at:
            words += f"; what is shown is {clock(now - watched.at)} old"
        return ((fit(words, width), "doubtful"),)
    parts: list[tuple[str, str]] = []
    if watched.paused:
        parts.append((f"{signs.WARNING} PAUSED: nothing is carried out", "doubtful"))
    parts.append((f"{watched.leader or connection.words} leads", "strong"))
    parts.append((f"{watched.serving} of {counted(watched.there, 'webserver')} serve", "plain"))
    wanted = f"{watched.sample.wanted} wanted"
    if watched.policy is not None:
        wanted += f" ({watched.policy.minimum} to {watched.policy.maximum} allowed, {watched.policy.target} as a rule)"
    parts.append((wanted, "plain"))
    if watched.sample.waits_for:
        parts.insert(0, (f"{signs.WAITING} waits: {watched.sample.waits_for}", "doubtful"))
    if watched.trouble:
        parts.insert(0, (f"{signs.WARNING} {watched.trouble}", "doubtful"))
    row: list[tuple[str, str]] = []
    room = width
    for text, kind in parts:
        cut = fit(text, room)
        row += [(f"{cut} ", kind), ("· ", "muted")]
        room -= cell_len(cut) + 3
        if room < 6:
            break
    return tuple(row[:-1])


def heading_words(machines: Sequence[Machine], certificate_days: int | None, *, free: bool) -> str:
    """What everything costs and how long the certificate is good."""
    words = []
    if certificate_days is not None:
        words.append(f"cert {counted(certificate_days, 'day')}")
    known = [machine.price for machine in machines if machine.price is not None]
    if free:
        words.append("costs nothing")
    elif known:
        words.append(f"{'' if len(known) == len(machines) else 'at least '}${sum(known, Decimal(0)):.2f}/month")
    return " · ".join(words)


def table_rows(
    machines: Sequence[Machine], trends: Mapping[str, str], now: float, width: int, *, free: bool = False
) -> tuple[Row, tuple[Row, ...]]:
    """The head and a row a machine.

    Args:
        trends: a small chart by machine, for wide terminals.
        free: nobody pays for them, so there are no prices.
    """
    wide = width >= WIDE
    columns: list[tuple[str, list[str], bool]] = [
        ("machine", [machine.name for machine in machines], False),
        ("role", [machine.role for machine in machines], False),
        ("address", [machine.address or "–" for machine in machines], False),
    ]
    behind: list[tuple[str, list[str], bool]] = [
        ("dns", [_yes(machine.in_dns) for machine in machines], False),
        ("answer", [_figure(machine.answer_ms, " ms") for machine in machines], True),
        ("cpu", [_figure(machine.cpu_percent, " %") for machine in machines], True),
    ]
    if wide:
        behind.append(("trend", [trends.get(machine.name, "").rjust(TREND) for machine in machines], False))
        behind.append(("req/s", [_figure(machine.requests_per_s, "") for machine in machines], True))
    behind.append(("age", [age(now - machine.born_at) if machine.born_at else "–" for machine in machines], True))
    if not free:
        behind.append(
            ("$/mo", ["–" if machine.price is None else f"{machine.price:.0f}" for machine in machines], True)
        )
    left = [_column(*column) for column in columns]
    right = [_column(*column) for column in behind]
    taken = 2 + sum(cell_len(column[0]) + len(_GAP) for column in (*left, *right))
    room = max(_LEAST_HEALTH, width - taken)
    if taken + room > width:  # what is least missed: the role is in the name
        taken -= cell_len(left.pop(1)[0]) + len(_GAP)
        room = max(_LEAST_HEALTH, width - taken)
    head: Row = ((_line("", left, "health".ljust(room), right, 0), "muted"),)
    rows = []
    for number, machine in enumerate(machines, 1):
        words = fit(_health(machine, wide=wide, room=room), room)
        kind = machine.look.value
        before = _GAP.join(column[number] for column in left) + _GAP
        after = "".join(_GAP + column[number] for column in right)
        rows.append(((f"{SIGNS[machine.look]} ", kind), (before, "plain"), (_pad(words, room), kind), (after, "plain")))
    return head, tuple(rows)


def _line(sign: str, left: Sequence[list[str]], middle: str, right: Sequence[list[str]], number: int) -> str:
    before = _GAP.join(column[number] for column in left)
    return f"{sign:2}{before}{_GAP}{middle}" + "".join(_GAP + column[number] for column in right)


def _health(machine: Machine, *, wide: bool, room: int) -> str:
    words = machine.words
    if machine.protected:
        words += ", protected" if wide else "*"
    if wide and machine.reason and room > len(words) + 12:
        words += f": {machine.reason}"
    return words


def detail_row(machine: Machine | None, width: int) -> Row:
    """The chosen machine in a sentence: what the table has no room for."""
    if machine is None:
        return (("", "plain"),)
    words = [f"{machine.words}{f': {machine.reason}' if machine.reason else ''}"]
    if machine.requests_per_s is not None:
        words.append(f"{machine.requests_per_s:g} requests/s")
    if machine.protected:
        words.append("* protected: no decision ends it")
    if machine.drained and machine.words != "drained":
        words.append(
            "drained: no visitors as soon as others serve" if machine.in_dns else "drained: no decision ends it"
        )
    if machine.replacing:
        words.append("to be replaced")
    name = f"{machine.name}: "
    return ((name, "strong"), (fit(" · ".join(words), width - len(name)), "plain"))


def dns_row(dns: Mapping[str, tuple[str, ...]], machines: Sequence[Machine], width: int) -> Row:
    """Where the site's names lead to: webservers by their names, whatever else as it is."""
    names = {machine.address: machine.name for machine in machines if machine.address}
    parts = []
    for host, addresses in dns.items():
        found = sorted({names.get(address, address) for address in addresses})
        parts.append(f"{host} → {', '.join(found) or 'no address'}")
    return (("DNS: ", "strong"), (fit(" · ".join(parts) or "not known yet", width - 5), "plain"))


def told_rows(told: Sequence[Told], time_of: Callable[[float], str], width: int) -> tuple[Row, ...]:
    """What was told, the newest first, wrapped; a decision's acts and what it held back below each other."""
    rows: list[Row] = []
    before: dict[int, int | None] = {}
    wanted: int | None = None
    for number, one in enumerate(told):
        before[number] = wanted
        wanted = one.wanted if one.wanted is not None else wanted
    for number in range(len(told) - 1, -1, -1):
        one = told[number]
        time = time_of(one.at)
        for sign, text, kind in told_lines(one, changed=one.wanted != before[number]):
            room = width - len(time) - 4
            for part, row in enumerate(wrapped(text, room, 4)):
                lead = f"{time} " if not part else " " * (len(time) + 1)
                mark = f"{sign} " if not part else "  "
                rows.append(((lead, "muted"), (mark, kind), (row, kind if kind == "bad" else "plain")))
            time = " " * len(time)
    return tuple(rows)


def told_lines(one: Told, *, changed: bool = True) -> list[tuple[str, str, str]]:
    """(sign, sentence, kind) of everything that one event says.

    Args:
        changed: it wants another number of webservers than the one before.
    """
    if one.tone is Tone.PROBLEM:
        return [(signs.FAILED, one.text, "bad")]
    if one.tone is Tone.NOTE:
        return [("·", one.text, "muted")]
    lines = [(signs.DOING, text, "doing") for text in one.acts]
    lines += [(signs.WAITING, text, "doubtful") for text in one.held_back]
    if changed or not lines:
        lines.append((signs.UNCHANGED, one.text, "good"))
    return lines


def age(seconds: float) -> str:
    """``2 d``, ``3 h``, ``12 m``, ``40 s``: the largest unit, so that it stands still."""
    for unit, name in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "m")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return f"{max(0, int(seconds))} s"


def rule(title: str, width: int, more: str = "") -> Row:
    """The title of a part, with a line to its end."""
    room = max(0, width - cell_len(title) - 2)
    words = fit(more, max(0, room - 1)) if more else ""
    line = "─" * max(0, room - (cell_len(words) + 1 if words else 0))
    return ((f"{title} ", "strong"), (f"{words} " if words else "", "muted"), (line, "muted"))


def _column(head: str, cells: Sequence[str], right: bool) -> list[str]:
    width = max(cell_len(cell) for cell in (head, *cells))
    return [_pad(cell, width, right=right) for cell in (head, *cells)]


def _pad(text: str, width: int, *, right: bool = False) -> str:
    space = " " * max(0, width - cell_len(text))
    return space + text if right else text + space


def _figure(number: float | None, unit: str) -> str:
    return "–" if number is None else f"{number:.0f}{unit}"


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "–"}[value]
