"""ufw: exactly the declared rules, never a moment without them."""

from __future__ import annotations

import os

from recipes.agent.core import KINDS, Failed, Kind
from recipes.agent.files import read, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ipaddress

SETTINGS = "/etc/default/ufw"
POLICIES = (
    ("DEFAULT_INPUT_POLICY", "DROP", ("deny", "incoming")),
    ("DEFAULT_OUTPUT_POLICY", "ACCEPT", ("allow", "outgoing")),
)
ANY = ("0.0.0.0/0", "::/0")
PREFIX = "### tuple ### "


def plain(text: str) -> str:
    """One spelling for an address or network: no /32, /128; anything is "any"."""
    if text in ("any", *ANY) or text.lower() == "anywhere":
        return "any"
    import ipaddress

    network = ipaddress.ip_network(text, strict=False)
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def setting(name: str, path: str) -> str:
    """A value of a file of NAME=value lines."""
    if not os.path.exists(path):
        return ""
    for line in read(path).decode("utf-8", "replace").splitlines():
        key, _, value = line.strip().partition("=")
        if key == name:
            return value.strip().strip('"').strip("'")
    return ""


class FirewallRules(Kind):
    """A rule here is a text "allow tcp 1035 to any from 192.0.2.1 v4"; "any" to "any" makes one of each family."""

    def wanted(self) -> dict[str, dict[str, str]]:
        rules = {}
        for allow in self.step["allow"]:
            for family in ("v4", "v6"):
                if allow["family"] in ("any", family):
                    text = f"allow {allow['protocol']} {allow['port']} to {allow['to']} from {allow['source']} {family}"
                    rules[text] = allow
        return rules

    def present(self) -> set[str]:
        """ufw's own record of its rules; `ufw show added` prints the same, but takes a tenth of a second."""
        rules = set()
        for path, family in (("/etc/ufw/user.rules", "v4"), ("/etc/ufw/user6.rules", "v6")):
            if not os.path.exists(path):
                continue
            for line in read(path).decode("utf-8", "replace").splitlines():
                if line.startswith(PREFIX):
                    rules.add(self.spell(line[len(PREFIX) :].split(" comment=")[0].split(), family))
        return rules

    def spell(self, words: list[str], family: str) -> str:
        if len(words) == 7 and words[4] == "any" and words[6] == "in":
            action, protocol, port, to, _source_port, source, _direction = words
            return f"{action} {protocol} {port} to {plain(to)} from {plain(source)} {family}"
        return " ".join(words) + f" {family}"  # nothing we declare looks like this

    def settings_diff(self) -> list[str]:
        diffs = [
            f"{name} {setting(name, SETTINGS) or 'unset'} -> {value}"
            for name, value in (*(policy[:2] for policy in POLICIES), ("IPV6", "yes"))
            if setting(name, SETTINGS) != value
        ]
        if setting("ENABLED", "/etc/ufw/ufw.conf") != "yes":
            diffs.append("ufw is off -> on")
        elif not self.loaded():
            diffs.append("ufw's rules are not in the kernel -> loaded")
        return diffs

    def loaded(self) -> bool:
        """Whether the kernel really filters: a flushed table is an open door that ufw does not know of."""
        for program, chain in (("iptables", "ufw-before-input"), ("ip6tables", "ufw6-before-input")):
            result = self.agent.run([program, "-S", "INPUT"], show=False, apart=True)
            if result.code != 0 or "-P INPUT DROP" not in result.text or f"-j {chain}" not in result.text:
                return False
        return True

    def check(self) -> str | None:
        if not os.path.exists("/usr/sbin/ufw"):
            raise Failed("ufw is not installed: declare a Package step before")
        wanted, present = set(self.wanted()), self.present()
        diffs = self.settings_diff()
        diffs += [f"+ {rule}" for rule in sorted(wanted - present)]
        diffs += [f"- {rule}" for rule in sorted(present - wanted)]
        return "\n".join(diffs) or None

    def apply(self) -> None:
        self.keep_session()
        wanted = self.wanted()
        enabled = setting("ENABLED", "/etc/ufw/ufw.conf") == "yes"
        if self.settings_diff() or self.present() - set(wanted):
            self.guard()  # who only adds rules locks nobody out
        if enabled and not self.loaded():
            # its chains are gone from the kernel: then every other command of ufw fails
            self.agent.must(["/lib/ufw/ufw-init", "force-reload"], show=False)
        if setting("IPV6", SETTINGS) != "yes":
            # ufw has no command for it, and without it the rules for IPv6 are not made
            lines = [line for line in read(SETTINGS).decode().splitlines() if not line.startswith("IPV6=")]
            replace(SETTINGS, ("\n".join([*lines, "IPV6=yes"]) + "\n").encode(), 0o644, 0, 0)
        present = self.present()
        for rule in dict.fromkeys(tuple(sorted(wanted[text].items())) for text in wanted if text not in present):
            self.agent.must(["ufw", "allow", *arguments(dict(rule))], show=False)
        for words in self.superfluous(set(wanted)):
            self.agent.must(["ufw", *words], show=False)
        for name, value, policy in POLICIES:
            if setting(name, SETTINGS) != value:
                self.agent.must(["ufw", "default", *policy], show=False)
        if not enabled:
            self.agent.must(["ufw", "--force", "enable"], show=False)

    def superfluous(self, wanted: set[str]) -> list[list[str]]:
        """Commands that delete what is not declared, from what ufw itself says was added."""
        import shlex

        doomed = []
        for line in self.agent.must(["ufw", "show", "added"], show=False).text.splitlines():
            words = shlex.split(line)
            if not words or words[0] != "ufw":
                continue
            if not (parsed(words[1:]) & wanted):
                rest = words[1:]
                doomed.append(["route", "delete", *rest[1:]] if rest[0] == "route" else ["delete", *rest])
        return doomed

    def keep_session(self) -> None:
        """Refuses rules that would lock out whoever runs this program over SSH now."""
        import ipaddress

        session = ssh_session()
        if not session:
            return
        client, server = unmapped(session[0]), unmapped(session[1])
        port = int(session[2])
        if client == server:
            return  # a machine that works on itself comes in over lo, which no rule is about

        def covers(place: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
            return place == "any" or address in ipaddress.ip_network(place, strict=False)

        for allow in self.step["allow"]:
            if allow["protocol"] not in ("tcp", "any") or allow["port"] != port:
                continue
            if covers(allow["source"], client) and covers(allow["to"], server):
                return
        where = f"from {client} to {server} port {port}"
        raise Failed(f"these rules would lock out this SSH session {where}: nothing was changed")


def arguments(rule: dict[str, str]) -> list[str]:
    """The rule as ufw's words."""
    words = ["from", rule["source"], "to", rule["to"], "port", str(rule["port"])]
    return words if rule["protocol"] == "any" else ["proto", rule["protocol"], *words]


def parsed(words: list[str]) -> set[str]:
    """Our spelling of a line of `ufw show added`; empty when it is nothing we would declare."""
    if words[:1] != ["allow"]:
        return set()
    found = {"proto": "any", "from": "any", "to": "any", "port": ""}
    rest = words[1:]
    if len(rest) == 1:  # "ufw allow 22/tcp"
        found["port"], _, protocol = rest[0].partition("/")
        found["proto"] = protocol or "any"
        rest = []
    while len(rest) >= 2:
        if rest[0] == "comment":
            rest = rest[2:]
            continue
        if rest[0] not in found:
            return set()
        found[rest[0]] = rest[1]
        rest = rest[2:]
    if rest:
        return set()
    source, to = plain(found["from"]), plain(found["to"])
    families = [
        family
        for family, other in (("v4", ":"), ("v6", "."))
        if not any(other in address for address in (source, to) if address != "any")
    ]
    return {f"allow {found['proto']} {found['port']} to {to} from {source} {family}" for family in families}


def unmapped(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address of a socket, without scope; an IPv4 one that an IPv6 socket shows is IPv4."""
    import ipaddress

    found = ipaddress.ip_address(address.split("%")[0])
    return (found.ipv4_mapped or found) if found.version == 6 else found


def ssh_session() -> tuple[str, str, str] | None:
    """Client, server and the server's port of the SSH session above this process (sudo hides the variable)."""
    pid = os.getpid()
    while pid > 1:
        with open(f"/proc/{pid}/environ", "rb") as handle:
            for pair in handle.read().split(b"\0"):
                if pair.startswith(b"SSH_CONNECTION="):
                    words = pair.decode().partition("=")[2].split()
                    return (words[0], words[2], words[3]) if len(words) == 4 else None
        with open(f"/proc/{pid}/stat", "rb") as handle:
            pid = int(handle.read().rpartition(b")")[2].split()[1])
    return None


KINDS.update(FirewallRules=FirewallRules)
