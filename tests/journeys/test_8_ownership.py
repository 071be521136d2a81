"""On real machines: what a machine may do with its key, what destroy and build leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from providers.contract import RecordSet
from tests.journeys.clouds import driver
from tests.journeys.conftest import Site

pytestmark = pytest.mark.machines

#: Prints a word and the store's status for each of: a bucket listed, an object of the configuration written.
TRY = """\
. /etc/buildyard/store.conf
ask() { curl -s -o /dev/null -w '%{http_code}' --config /etc/buildyard/s3.curl "$@"; }
for purpose in config state artefacts; do
    echo "$purpose $(ask "$ENDPOINT/$(echo "$BUCKET" | sed "s/-config-/-$purpose-/")/")"
done
echo 'a try' >/tmp/try
buildyard-s3 put try /tmp/try >/dev/null 2>&1 && echo 'written yes' || echo 'written no'
touch /srv/buildyard/shared/try-by-mount 2>/dev/null && echo 'mounted yes' || echo 'mounted no'
rm -f /tmp/try /srv/buildyard/shared/try /srv/buildyard/shared/try-by-mount 2>/dev/null
true
"""


@pytest.mark.parametrize(("machine", "writes"), [("ws-1", "no"), ("db-1", "yes")])
def test_a_machines_key_opens_the_shared_configuration_only(site: Site, machine: str, writes: str) -> None:
    said = dict(line.split() for line in site.on(machine, "sudo", "-n", "sh", "-c", TRY).splitlines())
    assert said == {"config": "200", "state": "403", "artefacts": "403", "written": writes, "mounted": writes}


@pytest.fixture
def www(site: Site, tmp_path: Path) -> Iterator[None]:
    """Afterwards the site has both names again."""
    yield
    assert site.buildyard("build", "--answers", str(answers(tmp_path, www=True)), "--plain", "--yes").returncode == 0


def answers(folder: Path, *, www: bool) -> Path:
    path = folder / "answers.yaml"
    path.write_text(yaml.safe_dump({"deployment": {"name": "rehearsal"}, "site": {"www": www}}))
    return path


@pytest.mark.usefixtures("www")
def test_a_name_that_is_no_longer_the_sites_leaves_dns_and_is_not_taken_from_who_has_it_next(
    site: Site, tmp_path: Path
) -> None:
    www, zone = f"www.{site.domain}", site.domain
    assert site.resolve(www, "A")
    wish = str(answers(tmp_path, www=False))
    planned = site.json("plan", "--answers", wish)
    assert f"{www} A" in next(each for each in planned["actions"] if each["id"] == "dns")["reason"]
    assert site.json("build", "--yes")["ok"]
    assert site.resolve(www, "A") == site.resolve(www, "AAAA") == []
    assert site.json("build", "--yes")["changed"] == 0
    with driver(site.cloud) as provider:
        provider.put_record_set(zone, RecordSet("www", "A", ("203.0.113.9",), 60))
        try:
            refused = site.json("build", "--answers", str(answers(tmp_path, www=True)), "--yes")
            assert not refused["ok"]
            assert "did not make" in str(refused["problems"])
            assert site.resolve(www, "A") == ["203.0.113.9"]
        finally:
            provider.delete_record_set(zone, "www", "A")
