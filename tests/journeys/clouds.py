"""The rehearsal's cloud as an operator with its token speaks to it, beside the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from providers.digitalocean.driver import DigitalOcean
from rehearsal.cloud import CloudDescription
from state.clock import SystemClock
from state.secret import Secret


@contextmanager
def driver(cloud: CloudDescription, token: Secret | None = None) -> Iterator[DigitalOcean]:
    """The same driver the program uses; with another token, if one is given."""
    provider = DigitalOcean(
        token or Secret(Path(cloud.token_file).read_text().strip()),
        clock=SystemClock(),
        api_url=cloud.api_url,
        ca_pem_file=Path(cloud.ca_pem_file),
    )
    try:
        yield provider
    finally:
        provider.close()
