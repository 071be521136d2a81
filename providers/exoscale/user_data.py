"""What a new machine is told on its first boot: cloud-init's text, and how it comes onto the private network."""

from __future__ import annotations

import base64
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from state.errors import UsageError

#: Characters of base64, by the API's description of ``create-instance``.
_LONGEST = 32768

#: The private network's interface is plugged in when the machine may be running already, and cloud-init configures
#: only what it meets while it boots. systemd-networkd (Debian 12 and Ubuntu 18.04 have it) takes a late interface as
#: soon as a file speaks of it; files that cloud-init wrote for the public one come before this in the alphabet.
_BOOTHOOK = """#cloud-boothook
#!/bin/sh
cat >/etc/systemd/network/60-buildyard-private.network <<'END'
[Match]
Type=ether
Kind=!*

[Link]
RequiredForOnline=no

[Network]
DHCP=ipv4
IPv6AcceptRA=no

[DHCPv4]
UseDNS=no
UseGateway=no
UseHostname=no
UseNTP=no
END
networkctl reload || true
"""


def encoded(user_data: str) -> str:
    """As the API takes it.

    Raises:
        UsageError: it is longer than the vendor takes.
    """
    parts = MIMEMultipart(boundary="=buildyard=")
    parts.attach(MIMEText(user_data, "cloud-config"))
    parts.attach(MIMEText(_BOOTHOOK, "cloud-boothook"))
    text = base64.b64encode(parts.as_bytes()).decode()
    if len(text) > _LONGEST:
        raise UsageError(
            f"The machine's user data has {len(text)} characters in base64; Exoscale takes {_LONGEST}.",
            hint="fewer or shorter public keys of administrators",
        )
    return text
