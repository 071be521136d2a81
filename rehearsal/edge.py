"""What stands for Cloudflare before a rehearsal's sites: a host in a block of the rehearsal's own, and its list."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from rehearsal.room.block import Block
from state.files import read_file


@dataclass(frozen=True, slots=True)
class Edge:
    """The edge's networks, and what is published of them.

    Attributes:
        v4, v6: its networks, never a vendor's real ones: those could lead packets out of this machine.
        host_v4, host_v6: its host, to which proxied names lead.
        published: a file whose content is published in the place of the list, right or wrong; for journeys.
    """

    v4: str
    v6: str
    host_v4: str
    host_v6: str
    published: Path

    @classmethod
    def of(cls, block: Block, published: Path) -> Edge:
        """The one of a rehearsal's block; its host has the second address of each network."""
        hosts = (block.edge_v4.removesuffix("0/24") + "2", block.edge_v6.removesuffix("/64") + "2")
        return cls(block.edge_v4, block.edge_v6, *hosts, published)

    def host(self, type_: str) -> str:
        """Where a proxied name of that type of record leads."""
        return self.host_v4 if type_ == "A" else self.host_v6

    def listed(self) -> bytes:
        """What is answered to whoever asks for the list, in Cloudflare's own form."""
        given = read_file(self.published)
        if given is not None:
            return given
        result = {"ipv4_cidrs": [self.v4], "ipv6_cidrs": [self.v6], "etag": "rehearsal"}
        return json.dumps({"success": True, "errors": [], "messages": [], "result": result}).encode()
