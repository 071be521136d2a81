"""What is Hetzner's own: labels for tags, names unique in a project, prices in euros, lost answers, pages."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from fleet.names import MOULD, Names
from providers.catalog import open_provider
from providers.contract import MachineSpec, RecordSet
from providers.hetzner import VENDOR, api
from providers.hetzner.driver import Hetzner
from providers.hetzner.machines import server_name
from providers.hetzner.prices import USD_PER_EUR
from recipes.context import Role
from state.errors import Conflict, DeadlineExceeded, NotFound, ProviderError, SecretsError, Unauthorized, UsageError
from state.secret import Secret
from tests.providers.contract import ACTION, FLEET, KEY, OTHER_KEY, ROLE, ZONE
from tests.providers.fake import Faulty, lost
from tests.providers.hetzner.hetzner_cloud import HetznerCloud
from tests.providers.hetzner.hetzner_driver import S3_KEY, S3_SECRET, bring_up, make
from tests.providers.hetzner.hetzner_fake import TOKEN
from tests.providers.scripted import FakeClock, Scripted, answer

# Labels and names


def test_every_tag_of_the_longest_deployment_is_a_label_and_a_server_name() -> None:
    names = Names("a" + "b" * 29)
    actions = [names.action_tag(machine, 99_999) for machine in (*(names.machine(role, 999) for role in Role), MOULD)]
    for tag in (names.tag, *map(names.role_tag, Role), *actions):
        api.check_tag(tag)
    assert all(len(server_name(tag)) <= 63 for tag in actions)


@pytest.mark.parametrize("tag", ["", "-a", "a-", "a b", "a:b", "ä", "a" * 64])
def test_what_cannot_be_a_label_is_refused(tag: str) -> None:
    with pytest.raises(UsageError):
        api.check_tag(tag)


def test_tags_come_back_as_they_were_and_labels_of_the_owner_are_none(
    cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec
) -> None:
    machine = provider.create_machine(spec, "By_demo.made-1")
    cloud.servers[int(machine.id)]["labels"]["cost-centre"] = "7"
    assert set(provider.machine(machine.id).tags) == {FLEET, ROLE, "By_demo.made-1"}
    assert [one.id for one in provider.machines("By_demo.made-1")] == [machine.id]


def test_machines_of_one_name_live_in_one_project(cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec) -> None:
    ours = provider.create_machine(spec, "by-demo-made-ws-1-1")
    theirs = provider.create_machine(spec, "by-other-made-ws-1-1")
    assert (ours.name, theirs.name) == ("ws-1", "ws-1")
    names = {server["name"] for server in cloud.servers.values()}
    assert names == {"by-demo-made-ws-1-1", "by-other-made-ws-1-1"}


def test_too_much_user_data_is_refused_before_anything_is_made(
    cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec
) -> None:
    large = MachineSpec(spec.name, spec.region, spec.size, spec.image, spec.network_id, "ä" * 16_385, spec.tags)
    with pytest.raises(UsageError):
        provider.create_machine(large, ACTION)
    assert not cloud.servers


def test_a_key_that_has_another_name_is_used(cloud: HetznerCloud, provider: Hetzner) -> None:
    cloud.add_key("mine", f"{KEY} me@home")
    key = provider.ensure_ssh_key("by-demo-key", KEY)
    assert key.name == "mine"
    assert len(cloud.keys) == 1


# Prices and sizes


def test_euros_are_converted_and_the_address_is_in_the_price(provider: Hetzner) -> None:
    small = provider.sizes("fsn1")[0]
    assert (small.slug, small.memory_mib, small.disk_gib) == ("cx23", 4096, 40)
    assert Decimal("1.20") == USD_PER_EUR
    assert small.price_per_month == Decimal("4.79")  # (3.49 + 0.50) x 1.20


def test_dollars_are_not_converted(cloud: HetznerCloud, provider: Hetzner) -> None:
    cloud.currency = "USD"
    assert provider.sizes("fsn1")[0].price_per_month == Decimal("3.99")


def test_a_currency_nobody_can_convert_shows_no_sizes_and_hides_no_machine(
    cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec, clock: FakeClock
) -> None:
    made = provider.create_machine(spec, ACTION)
    cloud.currency = "CHF"
    other = make(TOKEN, cloud, clock)
    assert other.sizes("fsn1") == ()
    assert other.machine(made.id).price_per_month == 0


def test_what_is_not_sold_there_or_is_no_x86_is_left_out(provider: Hetzner) -> None:
    assert [size.slug for size in provider.sizes("hel1")] == ["cx23", "cpx11"]
    assert [size.slug for size in provider.sizes("fsn1")] == ["cx23", "cpx11", "cx33"]
    assert [size.slug for size in provider.sizes("ash")] == ["cpx11"]


def test_a_machine_of_a_type_no_longer_priced_there_is_still_listed(
    cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec
) -> None:
    made = provider.create_machine(spec, ACTION)
    kind = cloud.servers[int(made.id)]["server_type"]
    kind["prices"] = [price for price in kind["prices"] if price["location"] == "hel1"]
    assert provider.machine(made.id).price_per_month == made.price_per_month
    kind["prices"] = []
    assert provider.machine(made.id).price_per_month == 0


def test_images_are_debian_and_ubuntu_once_each(provider: Hetzner) -> None:
    assert [image.slug for image in provider.images()] == ["debian-12", "debian-13", "ubuntu-24.04"]


def test_regions_without_an_object_store_say_so_and_use_another(provider: Hetzner) -> None:
    names = {region.slug: region.name for region in provider.regions()}
    assert names["hel1"] == "Helsinki, FI"
    assert "object store is in Falkenstein" in names["ash"]
    assert provider.bucket_access("hel1").endpoint_url == "https://hel1.your-objectstorage.com"
    assert provider.bucket_access("ash").region == "fsn1"


# Networks, power, images


def test_a_network_needs_a_region_that_is_there(cloud: HetznerCloud, provider: Hetzner) -> None:
    with pytest.raises(UsageError):
        provider.ensure_network("by-demo-net", "nowhere1")
    assert not cloud.networks


def test_a_network_that_somebody_elses_machine_keeps_is_left_alone(
    cloud: HetznerCloud, provider: Hetzner, region: str
) -> None:
    made = provider.ensure_network("by-demo-net", region)
    cloud.networks[int(made.id)]["servers"].append(7)
    with pytest.raises(DeadlineExceeded) as caught:
        provider.delete_network(made.id)
    assert caught.value.hint
    assert cloud.networks


def test_a_network_of_somebody_elses_is_not_taken(cloud: HetznerCloud, provider: Hetzner, region: str) -> None:
    made = provider.ensure_network("by-demo-net", region)
    cloud.networks[int(made.id)]["labels"].clear()
    with pytest.raises(Conflict):
        provider.ensure_network("by-demo-net", region)


def test_a_snapshot_that_fails_says_why(cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec) -> None:
    machine = bring_up(provider, spec)
    cloud.failing.append("create_image")
    with pytest.raises(ProviderError) as caught:
        provider.snapshot(machine.id, "by-demo-image-1")
    assert "action_failed" in caught.value.detail
    assert caught.value.hint


def test_a_snapshot_being_made_is_waited_for_and_not_made_again(
    cloud: HetznerCloud, provider: Hetzner, spec: MachineSpec, faulty: Faulty
) -> None:
    machine = bring_up(provider, spec)
    faulty.lay("POST", "/create_image", lost)
    made = provider.snapshot(machine.id, "by-demo-image-1")
    assert made.size_gib == Decimal("1.7")
    assert [image["description"] for image in cloud.images.values()].count("by-demo-image-1") == 1


# Lost answers


WISHES: dict[str, tuple[str, Callable[[Hetzner], object], Callable[[HetznerCloud], int]]] = {
    "key": ("/ssh_keys", lambda our: our.ensure_ssh_key("k", KEY), lambda cloud: len(cloud.keys)),
    "network": ("/networks", lambda our: our.ensure_network("n", "fsn1"), lambda cloud: len(cloud.networks)),
    "firewall": ("/firewalls", lambda our: our.put_firewall("f", ROLE, ()), lambda cloud: len(cloud.firewalls)),
    "zone": ("/zones", lambda our: our.ensure_zone(ZONE), lambda cloud: len(cloud.zones)),
}


@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
def test_what_was_made_while_its_answer_was_lost_is_adopted(
    cloud: HetznerCloud,
    provider: Hetzner,
    faulty: Faulty,
    wish: tuple[str, Callable[[Hetzner], object], Callable[[HetznerCloud], int]],
) -> None:
    part, ask, count = wish
    faulty.lay("POST", part, lost)
    ask(provider)
    ask(provider)
    assert count(cloud) == 1


def test_a_record_set_whose_answer_was_lost_is_brought_to_what_is_wanted(
    cloud: HetznerCloud, provider: Hetzner, faulty: Faulty
) -> None:
    provider.ensure_zone(ZONE)
    faulty.lay("POST", "/rrsets", lost)
    provider.put_record_set(ZONE, RecordSet("www", "A", ("203.0.113.1",), 60))
    for part in ("/set_records", "/change_ttl"):
        faulty.lay("POST", part, lost)
    provider.put_record_set(ZONE, RecordSet("www", "A", ("203.0.113.2",), 90))
    assert RecordSet("www", "A", ("203.0.113.2",), 90) in provider.record_sets(ZONE)
    faulty.lay("DELETE", "/rrsets", lost)
    provider.delete_record_set(ZONE, "www", "A")
    assert "www" not in [one.name for one in provider.record_sets(ZONE)]


# Pages and refusals


def test_lists_longer_than_a_page_are_read_whole(cloud: HetznerCloud, provider: Hetzner) -> None:
    for number in range(cloud.MOST_PER_PAGE + 1):
        cloud.add_key(f"by-demo-{number}", f"ssh-ed25519 {number:068d}")
    assert len(provider.ssh_keys("by-demo-")) == cloud.MOST_PER_PAGE + 1
    assert [line for line in cloud.asked if "page=2" in line]


def test_a_list_of_exactly_one_page_is_asked_for_once(cloud: HetznerCloud, provider: Hetzner) -> None:
    for number in range(cloud.MOST_PER_PAGE):
        cloud.add_key(f"by-demo-{number}", f"ssh-ed25519 {number:068d}")
    assert len(provider.ssh_keys("by-demo-")) == cloud.MOST_PER_PAGE
    assert len(cloud.asked) == 1


def _no(status: int, code: str, details: object = None) -> Scripted:
    return Scripted(answer(status, {"error": {"code": code, "message": "no", "details": details}}))


def test_a_limit_of_the_project_is_no_fault_of_the_token() -> None:
    with pytest.raises(ProviderError) as caught:
        make(TOKEN, _no(403, "resource_limit_exceeded"), FakeClock()).ensure_zone(ZONE)
    assert not isinstance(caught.value, Unauthorized)
    assert "Limits" in caught.value.hint


def test_a_refusal_names_the_field() -> None:
    details = {"fields": [{"name": "name", "messages": ["is too short"]}]}
    with pytest.raises(ProviderError) as caught:
        make(TOKEN, _no(422, "invalid_input", details), FakeClock()).zones()
    assert "name: is too short" in caught.value.detail


def test_a_thing_that_changed_in_that_moment_is_asked_for_again() -> None:
    busy = answer(409, {"error": {"code": "conflict", "message": "no", "details": None}})
    transport, clock = Scripted(busy, answer(204)), FakeClock()
    make(TOKEN, transport, clock).delete_ssh_key("7")
    assert transport.lines() == ["DELETE /v1/ssh_keys/7"] * 2
    assert clock.slept


def test_an_id_of_another_vendor_is_refused(provider: Hetzner, spec: MachineSpec) -> None:
    foreign = MachineSpec(spec.name, spec.region, spec.size, spec.image, "5a4981aa-9653", "#", spec.tags)
    with pytest.raises(UsageError):
        provider.create_machine(foreign, ACTION)


# The vendor


def test_it_opens_by_its_secrets_alone(cloud: HetznerCloud, clock: FakeClock) -> None:
    secrets = {"hetzner.token": Secret(TOKEN), "hetzner.s3_key": S3_KEY, "hetzner.s3_secret": S3_SECRET}
    assert set(VENDOR.secret_names) == set(secrets)
    driver = open_provider("hetzner", {}, secrets, clock=clock, transport=cloud)
    assert driver.check_credentials().missing_rights == ()
    assert driver.dns_proof().lego_name == "hetzner"
    assert driver.dns_proof().secret_variables == (("HETZNER_API_TOKEN", "hetzner.token"),)
    for name in secrets:
        assert name in {question.key for question in VENDOR.questions}
        with pytest.raises(SecretsError):
            open_provider("hetzner", {}, {**{n: s for n, s in secrets.items() if n != name}}, clock=clock)


def test_questions_refuse_what_was_not_pasted_whole() -> None:
    for question in VENDOR.questions:
        assert question.check("short")
        assert question.check("with blanks in it, and long enough")
        assert question.check(TOKEN) == ""


def test_a_missing_machine_is_not_found(provider: Hetzner) -> None:
    with pytest.raises(NotFound):
        provider.machine("42")
    provider.delete_machine("42")


def test_the_other_key_replaces_the_first_though_names_and_keys_are_unique(
    cloud: HetznerCloud, provider: Hetzner
) -> None:
    provider.ensure_ssh_key("by-demo-key", KEY)
    provider.ensure_ssh_key("by-demo-key", OTHER_KEY)
    assert [key["name"] for key in cloud.keys.values()] == ["by-demo-key"]
