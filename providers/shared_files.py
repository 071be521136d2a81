"""Shared directories that a cloud runs, where it has them: AWS's EFS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SharedFiles:
    """A directory that the machines of a private network mount by NFS 4.1.

    Attributes:
        ready: it can be mounted; until then the addresses may be incomplete.
        host: the name machines of the network mount it by.
        addresses: what that name can resolve to, one address a zone.
        sources: CIDRs that may mount it.
    """

    id: str
    name: str
    ready: bool
    host: str
    addresses: tuple[str, ...]
    sources: tuple[str, ...]


class FileSharing(Protocol):
    """A provider that runs shared directories (``supports_shared_files``)."""

    def ensure_shared_files(self, name: str, region: str, network_id: str, sources: tuple[str, ...]) -> SharedFiles:
        """Asks for it and returns at once; of one of that name the sources become these, in place.

        Raises:
            UsageError: the sources are empty or would let everybody in.
        """

    def shared_files(self, name_prefix: str) -> tuple[SharedFiles, ...]: ...
    def delete_shared_files(self, files_id: str) -> None: ...
