"""What every driver with managed databases must do; used as :class:`tests.providers.contract.ProviderContract` is."""

from __future__ import annotations

from typing import Protocol

import pytest

from providers.contract import Network, Provider
from providers.databases import DatabaseSpec, Engine, ManagedDatabases
from state.errors import Conflict, NotFound, UsageError
from tests.providers.contract import until


class Both(Provider, ManagedDatabases, Protocol):
    """A provider that runs databases."""


@pytest.fixture
def database_spec(provider: Both, region: str, network: Network) -> DatabaseSpec:
    return DatabaseSpec(
        name="by-demo-database",
        engine=Engine.MYSQL,
        region=region,
        size=provider.database_sizes(region, Engine.MYSQL)[0].slug,
        network_id=network.id,
        sources=("203.0.113.7/32", "10.20.0.0/16"),
    )


class DatabaseContract:
    """Promises of :class:`providers.databases.ManagedDatabases`."""

    def test_the_cheapest_size_comes_first(self, provider: Both, region: str) -> None:
        for engine in Engine:
            sizes = provider.database_sizes(region, engine)
            known = [size.price_per_month for size in sizes if size.price_per_month is not None]
            assert sizes
            assert known == sorted(known)
        assert provider.database_sizes("no-such-region", Engine.MYSQL) == ()

    @pytest.mark.parametrize("engine", Engine)
    def test_a_database_comes_up_with_login_authority_and_sources(
        self, provider: Both, database_spec: DatabaseSpec, region: str, engine: Engine
    ) -> None:
        size = provider.database_sizes(region, engine)[0].slug
        made = provider.ensure_database(_with(database_spec, engine=engine, size=size))
        until("the database", lambda: provider.database(made.id).ready)
        found = provider.database(made.id)
        assert (found.name, found.engine) == ("by-demo-database", engine)
        assert found.host
        assert found.port
        assert found.user
        assert found.password is not None
        assert found.database
        assert set(found.sources) == set(database_spec.sources)

    def test_a_database_is_made_once(self, provider: Both, database_spec: DatabaseSpec) -> None:
        first = provider.ensure_database(database_spec)
        assert provider.ensure_database(database_spec).id == first.id
        assert [one.id for one in provider.databases("by-demo-")] == [first.id]
        assert provider.databases("by-other-") == ()
        with pytest.raises(Conflict):
            provider.ensure_database(_with(database_spec, engine=Engine.POSTGRES))

    def test_sources_change_in_place_and_are_never_everybody(self, provider: Both, database_spec: DatabaseSpec) -> None:
        made = provider.ensure_database(database_spec)
        until("the database", lambda: provider.database(made.id).ready)
        provider.put_database_sources(made.id, ("203.0.113.7/32", "203.0.113.8/32"))
        assert set(provider.database(made.id).sources) == {"203.0.113.7/32", "203.0.113.8/32"}
        for wrong in ((), ("0.0.0.0/0",), ("::/0",), ("203.0.113.7/32", "0.0.0.0/0"), ("128.0.0.0/1",)):
            with pytest.raises(UsageError):
                provider.put_database_sources(made.id, wrong)
            with pytest.raises(UsageError):
                provider.ensure_database(_with(database_spec, name="by-demo-other", sources=wrong))
        assert set(provider.database(made.id).sources) == {"203.0.113.7/32", "203.0.113.8/32"}
        assert [one.name for one in provider.databases("by-demo-")] == ["by-demo-database"]

    def test_a_deleted_database_is_gone(self, provider: Both, database_spec: DatabaseSpec) -> None:
        made = provider.ensure_database(database_spec)
        provider.delete_database(made.id)
        until("its end", lambda: not provider.databases("by-demo-"))
        provider.delete_database(made.id)
        with pytest.raises(NotFound):
            provider.database(made.id)


def _with(spec: DatabaseSpec, **changes: object) -> DatabaseSpec:
    return DatabaseSpec(**{**{name: getattr(spec, name) for name in DatabaseSpec.__dataclass_fields__}, **changes})  # type: ignore[arg-type]
