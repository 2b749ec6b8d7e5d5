# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person is told by a real cluster: who may ask, which line a refusal is, which key is in
use, and that an output was full."""

from __future__ import annotations

import re
import shlex

import pytest

from pmkvm import settings
from tests.lab.cluster import stonith
from tests.lab.faults.situations import wait_until
from tests.lab.guests.fencing_guest import CONNECT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine

pytestmark = pytest.mark.rotating(parts=3)

TOOL = "vm-stonith-key"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
CHANNEL = r"<channel.*?name=.vmconnectd.*?</channel>"


@pytest.fixture
def keyed(pair: Pair) -> Iterator[Pair]:
    """Both hosts have one new key file."""
    host1, host2 = pair.lab.hosts[0], pair.lab.hosts[1]
    host1.must([TOOL, "create"])
    host2.write(settings.STONITH_KEY, host1.read(settings.STONITH_KEY), "0600")
    wait_until(lambda: listed(host1).count("never used") == len(pair.lab.hosts), "both say so")
    yield pair
    for host in pair.lab.hosts:
        host.must(["rm", "-f", settings.STONITH_KEY])


def listed(host: Machine) -> str:
    return host.must([TOOL, "list"]).splitlines()[0]


def test_who_is_neither_root_nor_in_haclient_is_told_that(pair: Pair) -> None:
    host1 = pair.lab.hosts[0]
    said = {}
    for name, argv in (
        ("vm-ctl", ["vm-ctl", "resource", "list"]),
        ("vm-stonithd", ["/usr/sbin/vm-stonithd", "--status"]),
        ("vm-connectd", ["/usr/sbin/vm-connectd", "--status"]),
    ):
        done = host1.run([*NOBODY, *argv])
        assert (done.rc, done.out) == (1, ""), done
        said[name] = done.err
        print(done.err)
        assert host1.run(argv).rc == 0
    told = "MSG88 Pacemaker answers only root and the group haclient; nobody is neither"
    assert told in said["vm-ctl"]
    for name in ("vm-stonithd", "vm-connectd"):
        assert f"only root may ask {name} (" in said[name]


def test_a_refused_token_is_looked_up_and_a_used_key_is_seen(keyed: Pair) -> None:
    host1 = keyed.lab.hosts[0]
    tokens = host1.must([TOOL, "token", "--cluster", "guest1,", "guest2"]).splitlines()[1]
    token = dict(entry.split(":", 1) for entry in tokens.split())["guest2"]
    keyed.place(keyed.lab.hosts[1])
    before = len(host1.read(stonith.LOG).splitlines())
    answered = keyed.answer("reset", through=CONNECT, token=token[:-8])
    found = re.match(r"NG the token is refused: see (\S+) in the host's log", answered.text)
    assert found is not None, answered
    lines = [each for each in host1.read(stonith.LOG).splitlines()[before:] if found[1] in each]
    print(answered.text, lines)
    assert len(lines) == 1
    who = re.escape(keyed.requester.resource)
    assert re.search(rf": {found[1]} {who} is refused: .*it was cut", lines[0])
    assert "never used" in listed(host1)
    assert keyed.answer("status", through=CONNECT, token=token).is_ok
    wait_until(lambda: "host1 (used within 10 min)" in listed(host1), "its use")
    assert "host2 (never used)" in listed(host1)


def test_a_guest_without_a_port_is_warned_of(keyed: Pair) -> None:
    host1 = keyed.lab.hosts[0]
    path = f"/etc/libvirt/qemu/{keyed.target.guest.name}.xml"
    text = host1.read(path)
    host1.write(path, re.sub(CHANNEL, "", text, flags=re.DOTALL), "0600")
    try:
        done = host1.run([TOOL, "token", "--cluster", "guest1,guest2"])
    finally:
        host1.write(path, text, "0600")
    print(done.err)
    assert done.rc == 0
    assert "warning: guest2 has no channel vmconnectd in its definition on this host" in done.err
    assert "guest1 has" not in done.err


def test_an_output_that_is_full_is_one_line(pair: Pair) -> None:
    for argv in (["vm-ctl", "resource", "list"], ["/usr/sbin/vm-stonithd", "--status"]):
        done = pair.lab.hosts[0].run(["sh", "-c", f"{shlex.join(argv)} >/dev/full"])
        assert (done.rc, done.err.count("\n")) == (1, 1), done
        assert "its output can't be written: No space left on device" in done.err
