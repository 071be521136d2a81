"""DNS, databases and buckets: the vendor's own client and our driver send the same for the same wish."""

from __future__ import annotations

import base64

import linode_api4 as sdk
import pytest

from providers.contract import FULL_ACCESS, BucketGrant, Permission, RecordSet
from providers.databases import DatabaseSpec, Engine
from providers.linode.driver import Linode
from tests.providers.linode import linode_catalogue as catalogue
from tests.providers.linode.linode_oracle import compare, page
from tests.providers.oracle import Wish
from tests.providers.scripted import Step, answer

ZONE = {"id": 13, "domain": "example.org", "type": "master"}
RECORD = {"id": 15, "type": "A", "name": "", "target": "203.0.113.1", "ttl_sec": 30}
DATABASE = {
    "id": 17,
    "label": "by-demo-db",
    "engine": "mysql",
    "version": "8.4",
    "region": "us-east",
    "type": "g6-nanode-1",
    "status": "active",
    "allow_list": ["203.0.113.7/32"],
    "hosts": {"primary": "lin-17.servers.linodedb.net"},
    "port": 3306,
}
DATABASE_SPEC = DatabaseSpec("by-demo-db", Engine.MYSQL, "us-east", "g6-nanode-1", "5", ("203.0.113.7/32",))
BUCKET_KEY = {"id": 21, "label": "by-demo", "access_key": "A", "secret_key": "S", "limited": True, "bucket_access": []}


def made_database() -> tuple[Step, ...]:
    """What our order of a database asks."""
    engines = page(*catalogue.DATABASE_ENGINES)
    return (page(), page(), engines, answer(200, DATABASE), page(), answer(200, DATABASE))


WISHES = (
    Wish("list zones", lambda our: our.zones(), lambda: (page(),), lambda their: their.domains()),
    Wish(
        "create zone",
        lambda our: our.ensure_zone("example.org"),
        lambda: (page(), answer(200, ZONE)),
        lambda their: their.domain_create("example.org", master=True, soa_email="hostmaster@example.org"),
    ),
    Wish(
        "list records",
        lambda our: our.record_sets("example.org"),
        lambda: (page(ZONE), page()),
        lambda their: list(sdk.Domain(their, 13, ZONE).records),
    ),
    Wish(
        "create record",
        lambda our: our.put_record_set("example.org", RecordSet("@", "A", ("203.0.113.1",), 60)),
        lambda: (page(ZONE), page(), answer(200, RECORD)),
        lambda their: sdk.Domain(their, 13).record_create("A", name="", target="203.0.113.1", ttl_sec=30),
    ),
    Wish(
        "change record",
        lambda our: our.put_record_set("example.org", RecordSet("@", "A", ("203.0.113.1",), 300)),
        lambda: (page(ZONE), page(RECORD), answer(200, RECORD)),
        lambda their: their.put("/domains/13/records/15", data={"name": "", "target": "203.0.113.1", "ttl_sec": 300}),
    ),
    Wish(
        "delete record",
        lambda our: our.delete_record_set("example.org", "@", "A"),
        lambda: (page(ZONE), page(RECORD), answer(200, {})),
        lambda their: sdk.DomainRecord(their, 15, 13).delete(),
    ),
    Wish(
        "list database sizes",
        lambda our: our.database_sizes("us-east", Engine.MYSQL),
        lambda: (page(catalogue.REGIONS[0]), page()),
        lambda their: their.database.types(),
    ),
    Wish(
        "list databases",
        lambda our: our.databases("by-"),
        lambda: (page(), page()),
        lambda their: their.database.mysql_instances(),
        at=0,
    ),
    Wish(
        "create database",
        lambda our: our.ensure_database(DATABASE_SPEC),
        lambda: (
            page(),
            page(),
            page(*catalogue.DATABASE_ENGINES),
            answer(200, DATABASE),
            page(),
            answer(200, DATABASE),
        ),
        lambda their: their.database.mysql_create(
            "by-demo-db", "us-east", "mysql/8.4", "g6-nanode-1", cluster_size=1, allow_list=["203.0.113.7/32"]
        ),
        at=3,
    ),
    Wish(
        "list database engines",
        lambda our: our.ensure_database(DATABASE_SPEC),
        lambda: (
            page(),
            page(),
            page(*catalogue.DATABASE_ENGINES),
            answer(200, DATABASE),
            page(),
            answer(200, DATABASE),
        ),
        lambda their: their.database.engines(),
        at=2,
    ),
    Wish(
        "change sources of a database",
        lambda our: our.put_database_sources("mysql/17", ("203.0.113.8",)),
        lambda: (answer(200, DATABASE), answer(200, DATABASE)),
        lambda their: their.put("/databases/mysql/instances/17", data={"allow_list": ["203.0.113.8/32"]}),
    ),
    Wish(
        "read login and authority of a database",
        lambda our: our.database("mysql/17"),
        lambda: (
            answer(200, DATABASE),
            answer(200, {"username": "akmadmin", "password": "x"}),
            answer(200, {"ca_certificate": base64.b64encode(b"PEM").decode()}),
            page(),
        ),
        lambda their: sdk.MySQLDatabase(their, 17, DATABASE).credentials,
        at=1,
    ),
    Wish(
        "delete database",
        lambda our: our.delete_database("postgresql/17"),
        lambda: (answer(200, {**DATABASE, "engine": "postgresql"}), answer(200, {})),
        lambda their: sdk.PostgreSQLDatabase(their, 17).delete(),
    ),
    Wish(
        "create bucket key",
        lambda our: our.create_bucket_key("by-demo", (BucketGrant("by-demo-config", Permission.READ),)),
        lambda: (page({"label": "by-demo-config", "region": "us-east"}), answer(200, BUCKET_KEY), page()),
        lambda their: their.object_storage.keys_create(
            "by-demo",
            bucket_access=their.object_storage.bucket_access("us-east", "by-demo-config", "read_only"),
        ),
        at=1,
    ),
    Wish(
        "create key for all buckets",
        lambda our: our.create_bucket_key("by-demo", FULL_ACCESS),
        lambda: (page(catalogue.REGIONS[0]), answer(200, BUCKET_KEY), page()),
        lambda their: their.object_storage.keys_create("by-demo", regions=["us-east"]),
        at=1,
    ),
    Wish(
        "delete bucket key",
        lambda our: our.delete_bucket_key("A"),
        lambda: (page(BUCKET_KEY), answer(200, {})),
        lambda their: sdk.ObjectStorageKeys(their, 21).delete(),
    ),
    Wish(
        "list object stores",
        lambda our: our.bucket_access("us-east"),
        lambda: (page(*catalogue.STORES),),
        lambda their: their.object_storage.endpoints(),
    ),
)


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: wish.name)
def test_both_send_the_same(wish: Wish[Linode, sdk.LinodeClient]) -> None:
    compare(wish)
