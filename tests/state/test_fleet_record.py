"""The fleet record: it never forgets a machine, whoever writes and whatever is put in its place."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from state.errors import StateError
from state.files import copies_of, read_file
from state.fleet_record import DnsRecord, FleetRecord, MachineRecord, Stage
from state.fleet_store import FleetStore

WEB = MachineRecord("ws-1", "webserver", 1, 1, provider_id="42", stage=Stage.CREATED, recipes={"base": "ab"})


@pytest.fixture
def store(tmp_path: Path) -> FleetStore:
    found = FleetStore(tmp_path / "fleet.json")
    found.create(FleetRecord.new("shop", "lineage-1"))
    return found


def test_what_was_written_is_read_back(store: FleetStore, tmp_path: Path) -> None:
    written = store.update(lambda record: record.with_machine(WEB).with_firewall("web", "7").with_ssh_key("k", "8"))
    assert FleetStore(tmp_path / "fleet.json").load() == written
    assert written.serial == 1
    assert store.update(lambda record: record).serial == 1, "nothing changed, nothing written"
    gone = store.update(lambda record: record.without("ws-1"))
    assert gone.machine("ws-1") is None
    assert (tmp_path / "fleet.json").stat().st_mode & 0o777 == 0o600


def test_many_threads_and_processes_lose_no_machine(store: FleetStore, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from state.fleet_record import MachineRecord\n"
        "from state.fleet_store import FleetStore\n"
        "store = FleetStore(Path(sys.argv[1]))\n"
        "for n in range(20):\n"
        "    store.update(lambda r: r.with_machine(MachineRecord(f'db-{n}', 'database', n, 1)))\n"
    )
    other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "fleet.json")])

    def add(first: int) -> None:
        for number in range(first, first + 10):
            store.update(lambda record, n=number: record.with_machine(MachineRecord(f"ws-{n}", "webserver", n, 1)))

    threads = [threading.Thread(target=add, args=(first,)) for first in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.wait(timeout=60) == 0
    record = store.load()
    assert record is not None
    assert len(record.machines) == 40
    assert record.serial == 40


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda raw: raw.update(version=5), "newer Buildyard"),
        (lambda raw: raw.pop("version"), "no fleet record"),
        (lambda raw: raw.pop("machines"), "damaged"),
        (lambda raw: raw.update(serial="x"), "damaged"),
        (lambda raw: raw["machines"][0].update(stage="flying"), "damaged"),
        (lambda raw: raw["machines"][0].update(slot=None), "damaged"),
        (lambda raw: raw.update(dns=[{"zone": "example.org"}]), "damaged"),
        (lambda raw: raw.pop("edge_ranges"), "damaged"),
        (lambda raw: raw.update(edge_ranges=[7]), "damaged"),
    ],
)
def test_what_is_no_record_of_ours_is_refused_and_kept(store: FleetStore, tmp_path: Path, change, says: str) -> None:
    path = tmp_path / "fleet.json"
    store.update(lambda record: record.with_machine(WEB))
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))
    before = path.read_bytes()
    with pytest.raises(StateError, match=says) as caught:
        FleetStore(path).update(lambda record: record.without("ws-1"))
    assert caught.value.hint
    assert path.read_bytes() == before


def test_a_record_of_version_1_is_read_and_written_on_as_one_of_today(store: FleetStore, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    store.update(lambda record: record.with_machine(WEB))
    raw = json.loads(path.read_text())
    for key in ("provider", "region", "dns", "store_keys", "database_id"):
        del raw[key]
    for key in ("image", "leaving", "leaving_since", "replaces"):
        del raw["machines"][0][key]
    path.write_text(json.dumps({**raw, "version": 1}))
    read = FleetStore(path).load()
    assert read is not None
    assert read.machine("ws-1") == WEB
    made = DnsRecord("example.org", "@", "A", ("192.0.2.1",))
    written = FleetStore(path).update(lambda record: record.with_dns(made).with_store_key("webserver", "KEY"))
    assert FleetStore(path).load() == written
    assert (written.dns, written.store_keys) == ((made,), {"webserver": "KEY"})


def test_a_record_of_version_2_knows_no_machine_that_leaves(store: FleetStore, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    store.update(lambda record: record.with_machine(WEB))
    raw = json.loads(path.read_text())
    for key in ("leaving", "leaving_since", "replaces"):
        del raw["machines"][0][key]
    path.write_text(json.dumps({**raw, "version": 2}))
    read = FleetStore(path).load()
    assert read is not None
    assert read.machine("ws-1") == WEB
    leaves = replace(WEB, leaving="fewer are wanted", leaving_since=1_700_000_000.5, replaces="ws-9")
    written = FleetStore(path).update(lambda record: record.with_machine(leaves))
    assert FleetStore(path).load() == written
    assert written.machine("ws-1") == leaves
    assert json.loads(path.read_text())["version"] == 4


def test_a_record_of_version_3_knows_neither_edge_nor_managed_database(store: FleetStore, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    store.update(lambda record: record.with_machine(WEB))
    raw = json.loads(path.read_text())
    for key in ("database_id", "edge_ranges"):
        del raw[key]
    path.write_text(json.dumps({**raw, "version": 3}))
    read = FleetStore(path).load()
    assert read is not None
    assert (read.machine("ws-1"), read.database_id, read.edge_ranges) == (WEB, "", ())
    news = {"database_id": "mysql/7", "edge_ranges": ("198.18.0.0/20",)}
    written = FleetStore(path).update(lambda record: replace(record, **news))
    assert FleetStore(path).load() == written


def test_a_torn_file_is_refused_and_the_copy_before_it_is_there(store: FleetStore, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    store.update(lambda record: record.with_machine(WEB))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(StateError, match="damaged"):
        FleetStore(path).load()
    path.write_bytes(copies_of(path)[-1].read_bytes())
    assert FleetStore(path).load() is not None


def test_an_old_copy_put_back_during_a_run_is_noticed(store: FleetStore, tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    old = path.read_bytes()
    store.update(lambda record: record.with_machine(WEB))
    path.write_bytes(old)
    with pytest.raises(StateError, match="older"):
        store.update(lambda record: record)


def test_a_change_while_another_thread_reads_is_no_old_copy(store: FleetStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(path: Path) -> bytes | None:
        """What lies there now; before the caller looks at it, another thread writes the next one."""
        data = read_file(path)
        monkeypatch.setattr("state.fleet_store.read_file", read_file)
        store.update(lambda record: record.with_machine(WEB))
        return data

    store.load()
    monkeypatch.setattr("state.fleet_store.read_file", overtaken)
    read = store.load()
    assert read is not None
    assert not read.machines
    latest = store.load()
    assert latest is not None
    assert latest.machines


def test_a_record_from_elsewhere_must_be_ours_and_newer(store: FleetStore) -> None:
    store.update(lambda record: record.with_machine(WEB))
    with pytest.raises(StateError, match="another deployment"):
        store.put(FleetRecord("shop", "lineage-2", serial=9))
    with pytest.raises(StateError, match="older"):
        store.put(FleetRecord("shop", "lineage-1", serial=0))
    assert store.put(FleetRecord("shop", "lineage-1", serial=9)).serial == 9
