# SPDX-License-Identifier: GPL-2.0-or-later
"""sshd in the lab's hosts: keys made for this lab, root trusted among them, ways to break it."""

from __future__ import annotations

import os
from pathlib import Path

from pmkvm.deadline import Deadline
from pmkvm.run import run
from tests.lab.errors import LabError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.hosts.machine import Machine

HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
AUTHORIZED_KEYS = "/root/.ssh/authorized_keys"
KNOWN_HOSTS = "/root/.ssh/known_hosts"
PRIVATE_KEY = "/root/.ssh/id_ed25519"

START_S = 60.0
# Its number, and that of the state in the kernel's table.
PORT, LISTEN = 22, "0A"

SSHD_CONFIG = """HostKey {host_key}
PermitRootLogin yes
PubkeyAuthentication {public_key}
PasswordAuthentication {password}
KbdInteractiveAuthentication no
UsePAM no
PidFile none
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
"""


def configure(host: Machine, hosts: Sequence[Machine]) -> None:
    """Give a host its keys and start over; also repairs what the functions below broke."""
    keys = _directory(host)
    host.must(["rm", "-rf", "/root/.ssh"])
    host.must(["install", "-d", "-m", "0700", "/root/.ssh"])
    host.write(PRIVATE_KEY, _key(keys, "root"), "0600")
    host.write(AUTHORIZED_KEYS, _public_key(keys, "root"), "0600")
    host.write(HOST_KEY, _key(keys, host.name), "0600")
    known = [f"{one.name},{one.address} {_public_key(keys, one.name)}" for one in hosts]
    host.write(KNOWN_HOSTS, "".join(known), "0600")
    # Nothing of the machine's own client configuration decides here.
    host.write("/etc/ssh/ssh_config", "Host *\n    ConnectTimeout 10\n")
    _write_config(host, public_key=True, password=False)


def start(host: Machine) -> None:
    """Back when it takes connections."""
    host.spawn("sshd", ["/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config"])
    deadline = Deadline(START_S)
    while not listens(host.read("/proc/net/tcp")):
        if deadline.expired():
            raise LabError(f"{host.name}: sshd does not listen")
        deadline.pause(0.05)


def listens(table: str) -> bool:
    """Whether somebody takes connections to ssh's port, by /proc/net/tcp. Pure."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return any(row[1].endswith(f":{PORT:04X}") and row[3] == LISTEN for row in rows)


def restart(host: Machine) -> None:
    host.stop("sshd")
    start(host)


def repair(host: Machine, hosts: Sequence[Machine]) -> None:
    configure(host, hosts)
    restart(host)


def remove_key(host: Machine) -> None:
    """This host admits nobody's key any more."""
    host.write(AUTHORIZED_KEYS, "", "0600")


def forget_known_hosts(host: Machine) -> None:
    """This host knows no other host's key, as before the first login."""
    host.must(["rm", "-f", KNOWN_HOSTS])


def change_host_key(host: Machine) -> None:
    """This host shows another key than the others know, as after a new installation."""
    host.must(["rm", "-f", HOST_KEY])
    host.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", HOST_KEY])
    restart(host)


def only_password(host: Machine) -> None:
    """This host asks for a password, whatever key is offered."""
    _write_config(host, public_key=False, password=True)
    restart(host)


def also_password(host: Machine) -> None:
    """This host takes a key, or a password."""
    _write_config(host, public_key=True, password=True)
    restart(host)


def make_keys(directory: str, names: Sequence[str]) -> None:
    """The key pairs of a new lab: root's, and one for each host."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    for name in ("root", *names):
        make_key(directory, name)


def make_key(directory: str, name: str) -> None:
    """Unless it is there."""
    path = os.path.join(directory, name)
    if os.path.exists(path):
        return
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name}@lab", "-f", path]
    done = run(argv, timeout_s=10)
    if done.rc != 0:
        raise LabError(f"ssh-keygen: {done.err.strip()}")


def _write_config(host: Machine, *, public_key: bool, password: bool) -> None:
    word = {True: "yes", False: "no"}
    values = {"public_key": word[public_key], "password": word[password]}
    text = SSHD_CONFIG.format(host_key=HOST_KEY, **values)
    host.write("/etc/ssh/sshd_config", text)


def _directory(host: Machine) -> str:
    return os.path.join(host.directory, "keys")


def _key(directory: str, name: str) -> str:
    return Path(directory, name).read_text(encoding="ascii")


def _public_key(directory: str, name: str) -> str:
    return Path(directory, f"{name}.pub").read_text(encoding="ascii")
