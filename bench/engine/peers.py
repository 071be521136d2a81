"""The peers in an environment of their own, and the commands that run the role with each."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import venv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.engine.machines import Machines
from bench.engine.role import CHECKS, DEPLOY, PLAYBOOK, write_files

ROOT = Path(__file__).parents[2]

ANSIBLE = """\
[defaults]
forks = 10
host_key_checking = True
interpreter_python = /usr/bin/python3
inventory = {folder}/inventory.ini
private_key_file = {folder}/key
[ssh_connection]
pipelining = True
ssh_args = -F {folder}/ssh_config
control_path_dir = {folder}/cp
"""

SSH_CONFIG = """\
Host *
  ControlMaster auto
  ControlPersist 60s
  UserKnownHostsFile {folder}/known_hosts
  StrictHostKeyChecking yes
  IdentitiesOnly yes
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """A command that brings all machines to the role; ``changes`` is False for the bare checks."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    changes: bool = True


def install(folder: Path) -> Path:
    """The peers' environment, made when it is not there: its bin folder. Versions are pyproject's extra "bench"."""
    if not (folder / "bin" / "pyinfra").exists():
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        wanted = [name for name in project["optional-dependencies"]["bench"] if not name.startswith("buildyard")]
        venv.create(folder, with_pip=True)
        subprocess.run([str(folder / "bin" / "pip"), "-q", "install", *wanted], check=True, timeout=600)
    return folder / "bin"


def prepare(folder: Path, made: Machines) -> None:
    """Writes what the contenders read: hosts, keys, files, playbook."""
    write_files(folder)
    key = folder / "key"
    key.touch(mode=0o600)
    key.write_text(made.key.reveal(), encoding="utf-8")
    (folder / "hosts.json").write_text(json.dumps([asdict(address) for address in made.addresses]), encoding="utf-8")
    known = [
        f"[{address.host}]:{address.port} {' '.join(address.host_key.split()[:2])}\n" for address in made.addresses
    ]
    (folder / "known_hosts").write_text("".join(known), encoding="utf-8")
    (folder / "checks.sh").write_text(CHECKS, encoding="utf-8")
    (folder / "deploy.py").write_text(DEPLOY, encoding="utf-8")
    options = {
        "ssh_port": made.addresses[0].port,
        "ssh_user": "root",
        "ssh_key": str(key),
        "ssh_known_hosts_file": str(folder / "known_hosts"),
        "ssh_strict_host_key_checking": "yes",
    }
    hosts = [(address.host, options) for address in made.addresses]
    (folder / "inventory.py").write_text(f"hosts = {hosts!r}\n", encoding="utf-8")
    (folder / "site.yml").write_text(PLAYBOOK, encoding="utf-8")
    lines = [f"{address.host} ansible_port={address.port} ansible_user=root\n" for address in made.addresses]
    (folder / "inventory.ini").write_text("".join(lines), encoding="utf-8")
    (folder / "ssh_config").write_text(SSH_CONFIG.format(folder=folder), encoding="utf-8")
    (folder / "ansible.cfg").write_text(ANSIBLE.format(folder=folder), encoding="utf-8")


def contenders(folder: Path, peers: Path) -> tuple[Contender, ...]:
    """Whom to measure, in the order in which each round runs them."""
    locale = {"LC_ALL": "C.UTF-8", "ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "HOME": str(folder)}
    pyinfra = (str(peers / "pyinfra"), "-y", "inventory.py", "deploy.py")
    return (
        Contender("buildyard", (sys.executable, "-m", "bench.engine.ours", str(folder)), {"PYTHONPATH": str(ROOT)}),
        Contender("pyinfra", pyinfra),
        Contender("ansible", (str(peers / "ansible-playbook"), "site.yml"), locale),
        Contender("bare", (sys.executable, str(Path(__file__).parent / "bare.py"), str(folder)), changes=False),
    )
