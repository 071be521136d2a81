"""The reference role, 17 operations, in four spellings: a Buildyard recipe, pyinfra, Ansible, one shell script."""

from __future__ import annotations

import base64
import random
from pathlib import Path

from recipes.steps import Directory, File, Line, Package, Recipe, Service, Step, User, UserCrontab

PACKAGES = ("curl", "cron", "ufw", "sudo")
NUMBERS = range(1, 11)
FILE_BYTES = 2025  # of random data, 2.7 KB as base64: like a configuration file, but nothing compresses it away

DEPLOY = """\
from pyinfra.operations import apt, server, files, systemd, crontab
apt.packages(packages=["curl", "cron", "ufw", "sudo"], present=True)
server.user(user="deployer", shell="/bin/bash", ensure_home=True)
files.directory(path="/etc/app", mode="755")
for i in range(1, 11):
    files.put(src=f"files/f{i}.conf", dest=f"/etc/app/f{i}.conf", mode="644")
files.line(path="/etc/ssh/sshd_config", line="PasswordAuthentication no")
crontab.crontab(command="/bin/true", minute="5")
systemd.service(service="cron", running=True, enabled=True)
systemd.service(service="ssh", running=True, enabled=True)
"""

PLAYBOOK = """\
- hosts: all
  gather_facts: true
  tasks:
  - apt: {name: [curl, cron, ufw, sudo], state: present}
  - user: {name: deployer, shell: /bin/bash, create_home: true}
  - file: {path: /etc/app, state: directory, mode: "0755"}
  - copy: {src: "files/f{{ item }}.conf", dest: "/etc/app/f{{ item }}.conf", mode: "0644"}
    loop: "{{ range(1, 11) | list }}"
  - lineinfile: {path: /etc/ssh/sshd_config, line: "PasswordAuthentication no"}
  - cron: {name: backup, minute: "5", hour: "*", job: "/bin/true"}
  - service: {name: cron, state: started, enabled: true}
  - service: {name: ssh, state: started, enabled: true}
"""

#: Checks equal to the role's, in one command; changes nothing.
CHECKS = r"""
set -e
dpkg-query -W -f '${db:Status-Status}\n' curl cron ufw sudo | grep -cx installed | grep -qx 4
getent passwd deployer | grep -q ':/bin/bash$'
[ "$(stat -c %a /etc/app)" = 755 ]
for i in 1 2 3 4 5 6 7 8 9 10; do sha256sum "/etc/app/f$i.conf"; stat -c %a "/etc/app/f$i.conf"; done
grep -qxF 'PasswordAuthentication no' /etc/ssh/sshd_config
crontab -l | grep -q '^5 .*/bin/true'
systemctl is-active --quiet cron ssh && systemctl is-enabled --quiet cron ssh
"""

#: Takes away what the role makes, but sudo and cron, which come with the image: before each first run.
RESET = r"""
rm -rf /etc/app /var/lib/buildyard
sed -i '/^PasswordAuthentication no$/d' /etc/ssh/sshd_config
crontab -r 2>/dev/null || true
userdel -r deployer 2>/dev/null || true
DEBIAN_FRONTEND=noninteractive apt-get -y -q purge curl ufw >/dev/null
apt-get clean
"""

#: Once: the peers' roles do not fetch apt's lists, so nobody has to; what Ansible would install for itself is there.
READY = "apt-get -q update >/dev/null && apt-get -y -q --no-install-recommends install python3-apt >/dev/null"


def write_files(folder: Path) -> None:
    """Ten files of random text, the same in each run of the benchmark."""
    source = random.Random(17)
    (folder / "files").mkdir(parents=True)
    for number in NUMBERS:
        data = base64.encodebytes(source.randbytes(FILE_BYTES))
        (folder / "files" / f"f{number}.conf").write_bytes(data)


def recipe(folder: Path) -> Recipe:
    """The role as Buildyard says it."""
    steps: list[Step] = [
        Package(label="packages", names=PACKAGES),
        User(label="deployer", name="deployer"),
        Directory(label="application's folder", path="/etc/app"),
    ]
    for number in NUMBERS:
        content = (folder / "files" / f"f{number}.conf").read_text(encoding="utf-8")
        steps.append(File(label=f"file {number}", path=f"/etc/app/f{number}.conf", content=content))
    steps += [
        Line(label="no passwords", path="/etc/ssh/sshd_config", line="PasswordAuthentication no"),
        UserCrontab(label="backup", user="root", schedule="5 * * * *", command="/bin/true"),
        Service(label="cron runs", unit="cron"),
        Service(label="ssh runs", unit="ssh"),
    ]
    return Recipe("reference", tuple(steps))
