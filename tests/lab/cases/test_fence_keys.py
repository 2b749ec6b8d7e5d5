# SPDX-License-Identifier: GPL-2.0-or-later
"""Sealed tokens on real hosts: both faces of the plugin, what is refused, the exchange of keys."""

from __future__ import annotations

import pytest

from pmkvm import settings
from tests.lab.cluster import stonith
from tests.lab.faults.situations import wait_until
from tests.lab.guests.fencing_guest import AGENT, CONNECT, PLUGIN
from tests.lab.guests.lives import Lives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine

pytestmark = pytest.mark.rotating(parts=6)

TOOL = "vm-stonith-key"
OTHER = "/etc/pm_kvm_tools/other.key"
# As long as a key must not have been used before it can be retired.
LATER = ["faketime", "-f", "+3h"]
NAMES = ("host1", "host2")
REFUSED = "NG the token is refused"


@pytest.fixture
def keyed(pair: Pair) -> Iterator[Pair]:
    """Both hosts have one key file, made on host1."""
    host1 = pair.lab.hosts[0]
    host1.must([TOOL, "create"])
    hand_out(pair)
    yield pair
    for host in pair.lab.hosts:
        host.must(["rm", "-f", settings.STONITH_KEY, OTHER])


def hand_out(pair: Pair) -> None:
    """As the administrator does: the file of host1 to host2, and both have read it."""
    host1, host2 = pair.lab.hosts[0], pair.lab.hosts[1]
    text = host1.read(settings.STONITH_KEY)
    host2.write(settings.STONITH_KEY, text, "0600")
    wait_until(lambda: keys(host1) == keys(host2) == ids(text), "both hosts' keys")
    names = [host.name for host in pair.lab.hosts]
    wait_until(lambda: all(who_has(host1, key) == names for key in ids(text)), "said to all")


def who_has(host: Machine, key: str) -> list[str]:
    """The hosts that say they have it."""
    lines = host.must([TOOL, "list"]).splitlines()
    return [name for line in lines if key in line for name in line.split() if name in NAMES]


def keys(host: Machine) -> object:
    return stonith.status(host).get("keys")


def ids(ring: str) -> list[str]:
    return [line.split()[1] for line in ring.splitlines() if not line.startswith("#")]


def tokens(host: Machine, *arguments: str, later: bool = False) -> dict[str, str]:
    """What `token` prints for hostlist; later: when no host's keys are known."""
    argv = [*(LATER if later else []), TOOL, "token", "--cluster", "guest1,guest2", *arguments]
    listed = host.must(argv).splitlines()[1]
    return dict(entry.split(":", 1) for entry in listed.split())


def log_of(host: Machine) -> list[str]:
    return host.on_disk(stonith.LOG).splitlines()


def test_both_faces_fence_with_a_sealed_token(keyed: Pair, is_full: bool) -> None:
    pair = keyed
    host1, host2 = pair.lab.hosts[0], pair.lab.hosts[1]
    token = tokens(host1)["guest2"]
    assert ids(host1.read(settings.STONITH_KEY))[0] in host2.must([TOOL, "list"])
    for face in (AGENT, PLUGIN) if is_full else (AGENT,):
        boot = pair.place(host2)
        with Lives(pair.lab.guests, pair.target.guest) as lives:
            answered = pair.answer("reset", through=face, token=token)
            assert answered.is_ok, answered
            proven = pair.proven()[-1]
            assert lives.outlived(proven.at_s, proven.at_s) == []
            pair.returned(boot)
    assert pair.answer("status", through=PLUGIN, token=token).is_ok
    assert not pair.answer("off", through=PLUGIN, token=f"{token[:-2]}xx").is_ok
    assert pair.lab.fencing.events() == []


def test_a_token_that_is_none_is_one_no_and_one_line(keyed: Pair) -> None:
    """Wrong key, altered, truncated, for oneself, not for this: the guest never learns why."""
    pair = keyed
    host1, host2 = pair.lab.hosts[0], pair.lab.hosts[1]
    boot = pair.place(host2)
    good = tokens(host1)
    host1.must([TOOL, "create", "--file", OTHER])
    middle = len(good["guest2"]) // 2
    letter = "A" if good["guest2"][middle] != "A" else "B"
    refused = {
        "another key": ("reset", tokens(host1, "--file", OTHER, "--force", later=True)["guest2"]),
        "altered": ("reset", good["guest2"][:middle] + letter + good["guest2"][middle + 1 :]),
        "truncated": ("reset", good["guest2"][:-8]),
        "for oneself": ("reset", good["guest1"]),
        "for reset alone": ("off", tokens(host1, "--operations", "reset")["guest2"]),
    }
    for what, (operation, token) in refused.items():
        before = [len(log_of(host)) for host in (host1, host2)]
        answered = pair.answer(operation, through=CONNECT, token=token)
        lines, others = (log_of(host)[n:] for host, n in zip((host1, host2), before))
        print(what, answered, lines)
        assert answered.text.startswith(REFUSED), what
        assert [line for line in lines if "is refused" in line] == lines, what
        assert len(lines) == 1, what
        assert others == [], what
        assert token not in lines[0]
    assert pair.target.counter.boot() == boot
    assert stonith.bans(pair.lab) == []


def test_keys_are_exchanged_step_by_step_and_never_early(keyed: Pair) -> None:
    pair = keyed
    host1, host2 = pair.lab.hosts[0], pair.lab.hosts[1]
    boot = pair.place(host2)
    old = tokens(host1)["guest2"]
    assert pair.answer("status", through=CONNECT, token=old).is_ok

    def refused(*prefix: str, reason: str) -> None:
        done = host1.run([*prefix, TOOL, "rotate"])
        assert done.rc == 1, done
        assert reason in done.err, done

    host1.must([TOOL, "rotate"])
    new = ids(host1.read(settings.STONITH_KEY))[1]
    wait_until(lambda: who_has(host1, new) == ["host1"], "host1's new key")
    refused(reason=f"host2 does not have the key {new}")
    hand_out(pair)
    host1.must([TOOL, "rotate"])
    hand_out(pair)
    fresh = tokens(host1)["guest2"]
    # Those that are out go on working.
    for token in (old, fresh):
        assert pair.answer("status", through=CONNECT, token=token).is_ok
    wait_until(lambda: "used within" in host1.must([TOOL, "list"]).splitlines()[0], "its use")
    refused(reason="opened a token of")
    # No host has said anything for three hours then: what is not known --force passes over.
    refused(*LATER, reason="has said nothing for")
    host1.must([*LATER, TOOL, "rotate", "--force"])
    hand_out(pair)
    assert ids(host1.read(settings.STONITH_KEY)) == [new]
    assert pair.answer("status", through=CONNECT, token=old).text.startswith(REFUSED)
    answered = pair.answer("reset", token=fresh)
    assert answered.is_ok, answered
    pair.returned(boot)


def test_a_host_without_the_key_refuses_and_says_so(keyed: Pair) -> None:
    """No token is made while a host lacks the key; one that was is refused there, not elsewhere."""
    pair = keyed
    host1, host2 = pair.lab.hosts[0], pair.lab.hosts[1]
    boot = pair.place(host2)
    token, ring = tokens(host1)["guest2"], host1.read(settings.STONITH_KEY)
    host1.must(["rm", settings.STONITH_KEY])
    host1.must([TOOL, "create"])
    (own,) = ids(host1.read(settings.STONITH_KEY))
    wait_until(lambda: keys(host1) == [own], "host1's own key")
    wait_until(lambda: who_has(host2, own) == ["host1"], "host2 hears of it")
    done = host1.run([TOOL, "token", "--cluster", "guest1,guest2"])
    assert done.rc == 1
    assert f"host2 does not have the key {own}" in done.err
    before = len(log_of(host1))
    assert pair.answer("reset", through=CONNECT, token=token).text.startswith(REFUSED)
    (line,) = log_of(host1)[before:]
    assert "is refused" in line
    assert pair.target.counter.boot() == boot
    host1.write(settings.STONITH_KEY, ring, "0600")
    hand_out(pair)
    assert pair.answer("status", through=CONNECT, token=token).is_ok
