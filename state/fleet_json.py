"""Reads the fleet record's file form, of this program and of earlier ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from state.errors import StateError
from state.files import COPIES_FOLDER
from state.fleet_record import VERSION, DnsRecord, FleetRecord, MachineRecord, Stage


def parse(data: bytes, source: str) -> FleetRecord:
    """A record from what :meth:`FleetRecord.as_json` gave.

    Args:
        data: the file's content.
        source: where it comes from, for the error.

    Raises:
        StateError: broken, foreign, or written by a newer program.
    """
    hint = f"Earlier copies are in the folder {COPIES_FOLDER} beside it; put back the newest good one."
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StateError(f"{source} is damaged: {error}.", hint=hint) from error
    version = raw.get("version") if isinstance(raw, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise StateError(f"{source} is no fleet record of Buildyard: it has no version.", hint=hint)
    if version > VERSION:
        raise StateError(
            f"{source} was written by a newer Buildyard (version {version}; this one knows up to {VERSION}).",
            hint="Update Buildyard on this build machine, then repeat the command. Nothing was changed.",
        )
    try:
        raw = raw if version > 1 else _from_version_1(raw)
        raw = raw if version > 2 else _from_version_2(raw)
        return _record(raw if version > 3 else _from_version_3(raw))
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"{source} is damaged: {error}.", hint=hint) from error


def _from_version_1(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """It knew neither provider, records, store keys nor images."""
    return {"provider": "", "region": "", "dns": [], "store_keys": {}, **_with_machines(raw, {"image": ""})}


def _from_version_2(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """It knew no autoscaler: no machine that leaves or takes another's place, nothing to hand over."""
    texts, times = ("leaving", "replaces", "out_of_dns"), ("leaving_since", "left_dns_at", "ready_at")
    return {"handed_over": False, **_with_machines(raw, {**dict.fromkeys(texts, ""), **dict.fromkeys(times, 0.0)})}


def _from_version_3(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """It knew neither a managed database nor an edge."""
    return {"database_id": "", "edge_ranges": [], **raw}


def _with_machines(raw: Mapping[str, Any], before: Mapping[str, Any]) -> Mapping[str, Any]:
    machines = [{**before, **_of(dict, each, "machine")} for each in _of(list, raw["machines"], "machines")]
    return {**raw, "machines": machines}


def _record(raw: Mapping[str, Any]) -> FleetRecord:
    values = {key: raw[key] for key in _names(FleetRecord)}
    values["machines"] = tuple(_machine(each) for each in _of(list, raw["machines"], "machines"))
    values["dns"] = tuple(_dns(each) for each in _of(list, raw["dns"], "dns"))
    for key in ("deployment", "lineage", "network_id", "provider", "region", "database_id"):
        _of(str, values[key], key)
    for key in ("serial", "epoch"):
        _of(int, values[key], key)
    if not isinstance(values["handed_over"], bool):
        raise TypeError("handed_over should be true or false")
    ranges = _of(list, raw["edge_ranges"], "edge_ranges")
    if not all(isinstance(each, str) for each in ranges):
        raise TypeError("edge_ranges should hold texts")
    values["edge_ranges"] = tuple(ranges)
    for key in ("firewall_ids", "ssh_key_ids", "store_keys"):
        _texts(values[key], key)
    return FleetRecord(**values)


def _machine(raw: Any) -> MachineRecord:
    values = {key: _of(dict, raw, "machine")[key] for key in _names(MachineRecord)}
    for key, value in values.items():
        if key == "recipes":
            _texts(value, key)
        elif key in ("leaving_since", "left_dns_at", "ready_at"):
            values[key] = float(value) if type(value) is int else _of(float, value, key)
        else:
            _of(int if key in ("slot", "epoch") else str, value, key)
    values["stage"] = Stage(values["stage"])
    return MachineRecord(**values)


def _dns(raw: Any) -> DnsRecord:
    values = {key: _of(dict, raw, "dns")[key] for key in _names(DnsRecord)}
    addresses = tuple(_of(list, values.pop("values"), "values"))
    for text in (*values.values(), *addresses):
        _of(str, text, "dns")
    return DnsRecord(**values, values=addresses)


def _names(kind: type[FleetRecord | MachineRecord | DnsRecord]) -> list[str]:
    return [each.name for each in fields(kind)]


def _of(kind: type, value: Any, key: str) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{key} should be of type {kind.__name__}")
    return value


def _texts(value: Any, key: str) -> None:
    if not all(isinstance(each, str) for each in _of(dict, value, key).values()):
        raise TypeError(f"{key} should hold texts")
