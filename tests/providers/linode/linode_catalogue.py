"""What Linode offers, as its API shows it: a few of each."""

from __future__ import annotations

from typing import Any

_CAPABILITIES = ["Linodes", "Metadata", "VPCs", "Cloud Firewall", "Object Storage", "Managed Databases"]


def _region(name: str, label: str, capabilities: list[str], status: str = "ok") -> dict[str, Any]:
    return {"id": name, "label": label, "country": name[:2], "capabilities": capabilities, "status": status}


#: More than a page holds; the odd ones have what no machine of ours can do without left out.
REGIONS = [
    _region("us-east", "Newark, NJ, USA", _CAPABILITIES),
    _region("de-fra-2", "Frankfurt, DE", [*_CAPABILITIES, "Linode Interfaces"]),
    _region("id-cgk", "Jakarta, ID", _CAPABILITIES, "outage"),
    _region("us-old", "No VPCs, USA", ["Linodes", "Metadata"]),
    *(_region(f"xx-{number}", f"Edge {number}", ["Linodes"]) for number in range(26)),
    _region("gb-lon", "London, GB", [each for each in _CAPABILITIES if each != "Managed Databases"]),
]

#: Of the plans that not every region has.
AVAILABILITY = [
    {"region": "us-east", "plan": "g7-premium-2", "available": False},
    {"region": "de-fra-2", "plan": "g7-premium-2", "available": True},
]


def _type(name: str, class_: str, cpus: int, memory_mib: int, disk_mib: int, monthly: float) -> dict[str, Any]:
    return {
        "id": name,
        "label": name,
        "class": class_,
        "vcpus": cpus,
        "memory": memory_mib,
        "disk": disk_mib,
        "price": {"hourly": monthly / 720, "monthly": monthly},
        "region_prices": [{"id": "id-cgk", "hourly": monthly / 600, "monthly": round(monthly * 1.2, 2)}],
        "addons": {},
        "gpus": 0,
        "successor": None,
        "transfer": 1000,
        "network_out": 1000,
    }


TYPES = [
    _type("g6-standard-1", "standard", 1, 2048, 51200, 12),
    _type("g6-nanode-1", "nanode", 1, 1024, 25600, 5),
    _type("g6-dedicated-2", "dedicated", 2, 4096, 81920, 36),
    _type("g7-premium-2", "premium", 2, 4096, 81920, 43),
    # The public list names no price for these.
    _type("g2-gpu-rtx4000a1-s", "gpu", 4, 16384, 524288, 0),
    _type("g6-standard-none", "standard", 1, 2048, 51200, 0),
    {**_type("g5-standard-1", "standard", 1, 2048, 24576, 10), "successor": "g6-standard-1"},
]


def _image(name: str, label: str, vendor: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"linode/{name}",
        "label": label,
        "vendor": vendor,
        "description": None,
        "is_public": True,
        "deprecated": False,
        "type": "manual",
        "status": "available",
        "size": 1500,
        "capabilities": ["cloud-init"],
        "created": "2023-06-11T14:00:00",
        "created_by": "linode",
        **changes,
    }


IMAGES = [
    _image("alpine3.20", "Alpine 3.20", "Alpine"),
    _image("debian12", "Debian 12", "Debian"),
    _image("debian13", "Debian 13", "Debian"),
    _image("debian9", "Debian 9", "Debian", deprecated=True),
    _image("ubuntu24.04", "Ubuntu 24.04 LTS", "Ubuntu"),
    _image("ubuntu16.04lts", "Ubuntu 16.04 LTS", "Ubuntu", capabilities=[]),
    *(_image(f"other{number}", f"Other {number}", "Other") for number in range(25)),
]


def _database_type(name: str, memory_mib: int, prices: dict[int, float]) -> dict[str, Any]:
    nodes = [
        {"quantity": number, "price": {"hourly": price / 720, "monthly": price}} for number, price in prices.items()
    ]
    return {
        "id": name,
        "label": f"DBaaS {name}",
        "class": name.split("-")[1],
        "deprecated": False,
        "vcpus": 1,
        "memory": memory_mib,
        "disk": memory_mib * 25,
        "engines": {"mysql": nodes, "postgresql": nodes},
    }


DATABASE_TYPES = [
    _database_type("g6-standard-1", 2048, {1: 32, 3: 75}),
    _database_type("g6-nanode-1", 1024, {1: 16, 3: 37}),
    {**_database_type("g6-old-1", 1024, {1: 9}), "deprecated": True},
]
DATABASE_ENGINES = [
    {"id": f"{engine}/{version}", "engine": engine, "version": version}
    for engine, version in (("mysql", "8"), ("mysql", "8.4"), ("postgresql", "9"), ("postgresql", "16"))
]
STORES = [
    {"region": "us-east", "endpoint_type": "E0", "s3_endpoint": "us-east-1.linodeobjects.com"},
    {"region": "us-east", "endpoint_type": "E3", "s3_endpoint": "us-east-12.linodeobjects.com"},
    {"region": "us-east", "endpoint_type": "E1", "s3_endpoint": "us-east-9.linodeobjects.com"},
    {"region": "de-fra-2", "endpoint_type": "E1", "s3_endpoint": None},
]
