"""How sshd is set on every machine: one text, used by cloud-init before sshd starts and by the recipe ever after."""

from __future__ import annotations

SSHD_CONFIG = "/etc/ssh/sshd_config.d/10-buildyard.conf"
SSH_PORT = 1035
#: The key cloud-init brings, for the first contact only.
FIRST_CONTACT_KEY = "/etc/ssh/ssh_host_ed25519_key"
#: The key the machine made itself; named so that cloud-init's and Debian's clean-ups of host keys do not match it.
HOST_KEY = "/etc/ssh/buildyard_host_ed25519_key"


def sshd_config(admin_user: str, host_key: str) -> str:
    """The settings; Debian and Ubuntu read this file first, and sshd takes the first value it meets."""
    return f"""\
Port {SSH_PORT}
HostKey {host_key}
AllowUsers {admin_user}
PermitRootLogin no
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
X11Forwarding no
AllowAgentForwarding no
AllowTcpForwarding no
LoginGraceTime 30
ClientAliveInterval 30
ClientAliveCountMax 4
"""
