"""What Vultr sells, in the API's form: plans and systems as listed on 2026-09-25 (recorded in github.com/ingvarch/tent,
vultrfake), and beside them the odd ones that our machines cannot run on."""

from __future__ import annotations

from typing import Any

ACCOUNT = {
    "name": "Example Account",
    "email": "admin@example.com",
    "acls": [
        *("manage_users", "subscriptions_view", "subscriptions", "billing", "support", "provisioning", "dns"),
        *("abuse", "upgrade", "firewall", "alerts", "objstore", "loadbalancer"),
    ],
    "balance": -100.55,
    "pending_charges": 60.25,
    "last_payment_date": "2026-10-10T01:56:20+00:00",
    "last_payment_amount": -1.25,
}


def _region(slug: str, city: str, country: str, continent: str) -> dict[str, Any]:
    return {"id": slug, "city": city, "country": country, "continent": continent, "options": ["ddos_protection"]}


REGIONS = [
    _region("ams", "Amsterdam", "NL", "Europe"),
    _region("fra", "Frankfurt", "DE", "Europe"),
    _region("ewr", "New Jersey", "US", "North America"),
    _region("sjc", "Silicon Valley", "US", "North America"),
    _region("jnb", "Johannesburg", "ZA", "Africa"),
]
EVERYWHERE = [region["id"] for region in REGIONS]


def _plan(slug: str, cpus: int, ram: int, disk: int, cost: float, **more: Any) -> dict[str, Any]:
    return {
        "id": slug,
        "type": slug.split("-")[0],
        "vcpu_count": cpus,
        "ram": ram,
        "disk": disk,
        "disk_count": 1,
        "bandwidth": 1024,
        "monthly_cost": cost,
        "locations": EVERYWHERE,
        **more,
    }


PLANS = [
    _plan("vc2-1c-2gb", 1, 2048, 55, 10),
    _plan("vc2-1c-1gb", 1, 1024, 25, 5),
    _plan("vc2-1c-0.5gb", 1, 512, 10, 3.5, locations=["ewr"]),
    _plan("vc2-2c-4gb", 2, 4096, 80, 20),
    _plan("vhf-1c-2gb", 1, 2048, 64, 12),
    _plan("vc2-1c-0.5gb-v6", 1, 512, 10, 2.5),
    _plan("vc2-1c-0.5gb-free", 1, 512, 10, 0),
    _plan("vx1-g-2c-8g", 2, 8192, 0, 40),
    _plan("vcg-a16-2c-8g-2vram", 2, 8192, 50, 30),
]


def _system(number: int, name: str, family: str) -> dict[str, Any]:
    return {"id": number, "name": name, "arch": "x64", "family": family}


SYSTEMS = [
    _system(167, "CentOS 7 x64", "centos"),
    _system(2625, "Debian 13 x64 (trixie)", "debian"),
    _system(2136, "Debian 12 x64 (bookworm)", "debian"),
    _system(2284, "Ubuntu 24.04 LTS x64", "ubuntu"),
    _system(2760, "Ubuntu 26.04 LTS x64", "ubuntu"),
    _system(352, "Debian 9 x64 (stretch)", "debian"),
    _system(164, "Snapshot", "snapshot"),
]


def _database_plan(slug: str, nodes: int, ram: int, cost: int, *engines: str) -> dict[str, Any]:
    return {
        "id": slug,
        "type": "all_types",
        "number_of_nodes": nodes,
        "vcpu_count": 1,
        "ram": ram,
        "disk": 25,
        "monthly_cost": cost,
        "supported_engines": {name: name in engines for name in ("mysql", "pg", "valkey", "kafka")},
        "locations": EVERYWHERE,
    }


DATABASE_PLANS = [
    _database_plan("vultr-dbaas-business-cc-2-80-4", 2, 4096, 100, "mysql", "pg"),
    _database_plan("vultr-dbaas-hobbyist-cc-1-25-1", 1, 1024, 15, "mysql", "pg", "valkey"),
    _database_plan("vultr-dbaas-startup-kf-2-60-4", 3, 4096, 180, "kafka"),
]

CLUSTERS = [
    {"id": 2, "region": "ewr", "hostname": "ewr1.vultrobjects.com", "deploy": "yes"},
    {"id": 5, "region": "sjc", "hostname": "sjc1.vultrobjects.com", "deploy": "no"},
    {"id": 6, "region": "ams", "hostname": "ams1.vultrobjects.com", "deploy": "yes"},
]

#: docs.vultr.com/support/platform/billing/how-is-object-storage-billed
TIERS = [
    {"id": 3, "slug": "tier_002k_1000m", "sales_name": "Premium", "price": 36.0, "is_default": "no"},
    {"id": 2, "slug": "tier_001k_0500m", "sales_name": "Standard", "price": 18.0, "is_default": "yes"},
]
