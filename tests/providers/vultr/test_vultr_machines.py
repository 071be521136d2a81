"""Vultr's machines, goods and account: what they are read as, and what the vendor's oddities become."""

from __future__ import annotations

import base64
from dataclasses import replace
from decimal import Decimal

import httpx
import pytest

from providers.catalog import open_provider, vendors
from providers.contract import Image, MachineSpec, MachineStatus
from providers.vultr import VENDOR, api
from providers.vultr.driver import Vultr
from state.errors import DeadlineExceeded, NotFound, ProviderError, Unauthorized, UsageError
from state.secret import Secret
from tests.providers.contract import ACTION, FLEET, KEY
from tests.providers.fake import FAULTS, Faulty
from tests.providers.scripted import FakeClock, Scripted, answer
from tests.providers.vultr.vultr_fake import TOKEN, VultrCloud

OLD_FORM = {
    "id": "cb676a46-66fd-4dfb-b839-443f2e6c0b60",
    "label": "ws-1",
    "status": "active",
    "power_status": "running",
    "region": "ams",
    "plan": "vc2-1c-1gb",
    "main_ip": "198.51.100.7",
    "internal_ip": "",
    "v6_networks": [{"network": "2001:db8::", "main_ip": "2001:db8::7", "network_size": 64}],
    "date_created": "2026-11-01T12:00:00+00:00",
}


def locked(*_: object) -> httpx.Response:
    return httpx.Response(500, json={"error": "Unable to destroy server: Server is currently locked", "status": 500})


def test_the_catalogue_opens_it() -> None:
    assert vendors()["vultr"] is VENDOR
    transport = Scripted(answer(200, {"account": {"name": "Example", "acls": list(api.RIGHTS)}}))
    driver = open_provider("vultr", {}, {"vultr.token": Secret(TOKEN)}, clock=FakeClock(), transport=transport)
    assert driver.check_credentials().missing_rights == ()
    assert driver.dns_proof().lego_name == "vultr"
    assert driver.dns_proof().secret_variables == (("VULTR_API_KEY", "vultr.token"),)
    assert transport.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    driver.close()


def test_a_key_is_checked_where_it_is_typed() -> None:
    (question,) = VENDOR.questions
    assert question.secret
    assert question.check(TOKEN) == ""
    for wrong in ("", "short", f"{TOKEN} x", f"{TOKEN}é"):
        assert question.check(wrong)


def test_a_wrong_token_is_refused(cloud: VultrCloud) -> None:
    driver = Vultr(Secret("WRONG" * 7), clock=FakeClock(), transport=cloud)
    with pytest.raises(Unauthorized) as caught:
        driver.check_credentials()
    driver.close()
    assert "Invalid API token." in caught.value.detail
    assert caught.value.hint
    assert "WRONGWRONG" not in caught.value.text()


def test_an_address_that_is_not_let_in_is_told_where_to_be_let_in() -> None:
    # the answer as github.com/vultr/vultr-csi/issues/97 shows it
    refused = answer(401, {"error": "Unauthorized IP address: 2001:db8::7", "status": 401})
    driver = Vultr(Secret(TOKEN), clock=FakeClock(), transport=Scripted(refused))
    with pytest.raises(Unauthorized) as caught:
        driver.check_credentials()
    assert "2001:db8::7" in caught.value.detail
    assert "Access Control" in caught.value.hint


def test_missing_rights_are_named_with_what_they_are_for(provider: Vultr, cloud: VultrCloud) -> None:
    cloud.account["acls"] = ["subscriptions_view", "subscriptions", "provisioning", "firewall"]
    account = provider.check_credentials()
    assert account.missing_rights == ("dns (keeps the site's records)", "objstore (has the object store)")


def test_only_plans_on_which_our_machines_run_are_sizes(provider: Vultr) -> None:
    slugs = [size.slug for size in provider.sizes("ams")]
    assert slugs == ["vc2-1c-1gb", "vc2-1c-2gb", "vhf-1c-2gb", "vc2-2c-4gb"]
    assert provider.sizes("ewr")[0].price_per_month == Decimal("3.5")


def test_images_are_called_as_everywhere(provider: Vultr) -> None:
    images = provider.images()
    assert {image.slug for image in images} == {
        "debian-12-x64",
        "debian-13-x64",
        "ubuntu-24-04-x64",
        "ubuntu-26-04-x64",
    }
    assert Image("debian-12-x64", "12 x64 (bookworm)", "Debian") in images


def test_an_image_that_is_not_there_is_refused_before_anything_is_made(
    provider: Vultr, cloud: VultrCloud, spec: MachineSpec
) -> None:
    with pytest.raises(UsageError, match="debian-8-x64") as caught:
        provider.create_machine(replace(spec, image="debian-8-x64"), ACTION)
    assert "debian-12-x64" in caught.value.hint
    assert cloud.instances == {}


def test_user_data_arrives_as_it_was_given(provider: Vultr, cloud: VultrCloud, spec: MachineSpec) -> None:
    made = provider.create_machine(replace(spec, user_data="#cloud-config\n# grüß\n"), ACTION)
    sent = base64.b64decode(cloud.instances[made.id].body["user_data"])
    assert sent.decode() == "#cloud-config\n# grüß\n"


def test_a_new_machine_is_known_when_its_making_returns(provider: Vultr, cloud: VultrCloud, spec: MachineSpec) -> None:
    made = provider.create_machine(spec, ACTION)
    assert any(line == f"GET /v2/instances/{made.id}" for line in cloud.asked)
    assert provider.machine(made.id).status is MachineStatus.BUILDING
    assert provider.machine(made.id).public_ipv4 == ""


def test_a_machine_that_stays_unknown_is_made_all_the_same(provider: Vultr, faulty: Faulty, spec: MachineSpec) -> None:
    gone = httpx.Response(404, json={"error": "instance not found", "status": 404})
    faulty.lay("GET", "/v2/instances/", lambda *_: gone, times=1000)
    made = provider.create_machine(spec, ACTION)
    assert [machine.id for machine in provider.machines(FLEET)] == [made.id]
    with pytest.raises(NotFound):
        provider.machine(made.id)


def test_addresses_in_the_form_of_the_description_are_read_too() -> None:
    machine = api.read_machine(OLD_FORM, {"vc2-1c-1gb": Decimal(5)})
    assert (machine.public_ipv4, machine.public_ipv6, machine.private_ipv4) == ("198.51.100.7", "2001:db8::7", "")
    assert machine.status is MachineStatus.RUNNING
    assert api.read_machine({**OLD_FORM, "status": "suspended"}, {}).status is MachineStatus.OFF


def test_a_plan_that_is_sold_no_more_costs_nothing_known(provider: Vultr, cloud: VultrCloud, spec: MachineSpec) -> None:
    made = provider.create_machine(spec, ACTION)
    cloud.instances[made.id].body["plan"] = "vc2-old"
    cloud.asked.clear()
    assert provider.machine(made.id).price_per_month == 0
    assert provider.machine(made.id).price_per_month == 0
    assert sum(line.startswith("GET /v2/plans") for line in cloud.asked) == 1


def test_a_machine_is_not_halted_while_it_is_installed(provider: Vultr, cloud: VultrCloud, spec: MachineSpec) -> None:
    made = provider.create_machine(spec, ACTION)
    provider.power_off(made.id)
    assert sum(line.endswith("/halt") for line in cloud.asked) == 1
    assert provider.machine(made.id).status is MachineStatus.OFF


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_machine_is_off_whatever_becomes_of_the_first_try(
    provider: Vultr, faulty: Faulty, spec: MachineSpec, fault: object
) -> None:
    made = provider.create_machine(spec, ACTION)
    faulty.lay("POST", "/halt", fault)  # type: ignore[arg-type]
    provider.power_off(made.id)
    assert provider.machine(made.id).status is MachineStatus.OFF


def test_a_locked_machine_is_deleted_when_it_is_free(provider: Vultr, faulty: Faulty, spec: MachineSpec) -> None:
    made = provider.create_machine(spec, ACTION)
    faulty.lay("DELETE", "/v2/instances/", locked, times=30)
    provider.delete_machine(made.id)
    assert provider.machines(FLEET) == ()


def test_a_machine_that_stays_locked_is_given_up(
    provider: Vultr, faulty: Faulty, clock: FakeClock, spec: MachineSpec
) -> None:
    made = provider.create_machine(spec, ACTION)
    faulty.lay("DELETE", "/v2/instances/", locked, times=100_000)
    began = clock.monotonic()
    with pytest.raises(DeadlineExceeded, match="to be free for its deletion"):
        provider.delete_machine(made.id)
    assert clock.monotonic() - began < 1100


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_snapshot_is_made_once(
    provider: Vultr, cloud: VultrCloud, faulty: Faulty, spec: MachineSpec, fault: object
) -> None:
    made = provider.create_machine(spec, ACTION)
    faulty.lay("POST", "/v2/snapshots", fault)  # type: ignore[arg-type]
    assert provider.snapshot(made.id, "by-demo-image").size_gib == 5
    assert len(cloud.snapshots) == 1


def test_a_snapshot_that_vanishes_is_said(
    provider: Vultr, cloud: VultrCloud, faulty: Faulty, spec: MachineSpec
) -> None:
    made = provider.create_machine(spec, ACTION)
    while provider.machine(made.id).status is not MachineStatus.RUNNING:
        pass  # each question makes it older

    def vanish(_request: httpx.Request, go_on: object) -> httpx.Response:
        response = go_on()  # type: ignore[operator]
        cloud.snapshots.clear()
        return response

    faulty.lay("POST", "/v2/snapshots", vanish)
    with pytest.raises(ProviderError, match="gone before it was complete"):
        provider.snapshot(made.id, "by-demo-image")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_keys_networks_and_zones_are_made_once(
    provider: Vultr, cloud: VultrCloud, faulty: Faulty, fault: object
) -> None:
    for path in ("/v2/ssh-keys", "/v2/vpcs", "/v2/domains"):
        faulty.lay("POST", path, fault)  # type: ignore[arg-type]
    assert provider.ensure_ssh_key("by-demo-key", KEY).name == "by-demo-key"
    assert provider.ensure_network("by-demo-net", "ams").region == "ams"
    provider.ensure_zone("example.org")
    assert (len(cloud.keys), len(cloud.networks), len(cloud.zones)) == (1, 1, 1)


def test_things_on_several_pages_are_all_seen() -> None:
    cloud = VultrCloud(page_size=2)
    driver = Vultr(Secret(TOKEN), clock=FakeClock(), transport=cloud)
    names = {f"by-demo-net-{number}" for number in range(5)}
    for name in names:
        driver.ensure_network(name, "ams")
    cloud.asked.clear()
    assert {network.name for network in driver.networks("by-demo-")} == names
    assert len(cloud.asked) == 3
    assert "cursor=" in cloud.asked[1]
    driver.close()
    assert cloud.problems == []


def test_the_description_really_judges() -> None:
    cloud = VultrCloud()
    client = httpx.Client(
        base_url="https://api.vultr.com", transport=cloud, headers={"Authorization": f"Bearer {TOKEN}"}
    )
    client.post("/v2/vpcs", json={"description": "x", "region": "ams", "colour": "red"})
    client.get("/v2/vpcs", params={"page": 2})
    cloud.account["acls"] = "all"
    client.get("/v2/account")
    client.close()
    assert any("unknown field .colour" in problem for problem in cloud.problems)
    assert any("unknown query parameter page" in problem for problem in cloud.problems)
    assert any("is not of type 'array'" in problem for problem in cloud.problems)
