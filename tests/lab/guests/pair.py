# SPDX-License-Identifier: GPL-2.0-or-later
"""Two guests, one of which fences the other: made once, the same again after each fence."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from pmkvm.deadline import Deadline
from tests.lab.cluster import stonith
from tests.lab.cluster.registration import Registered, register
from tests.lab.errors import LabError
from tests.lab.guests.fencing_guest import Ask
from tests.lab.guests.guests import Guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.cluster.stonith import Proven
    from tests.lab.guests.fencing_guest import Answered, Asking
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

BOOT_S = 120.0
# An answered off's ban is left to run out, and is removed 15 s after its end.
BAN_S = 110.0
CLEAN_S = 40.0
# A start stays in libvirt's hands for so long where this file exists.
SLOW_START = "/run/lab/slow-start"
CREATING = "/run/lab/creating"
START_TAKES_S = 3
HOOK = f"""#!/bin/sh
if [ "$1 $2" = "guest2 prepare" ] && [ -e {SLOW_START} ]; then
    touch {CREATING}
    sleep {START_TAKES_S}
fi
exit 0
"""
STOP_TIMEOUT = "120s"


class Pair(NamedTuple):
    """guest1 asks, at home on host1; guest2 is fenced, deaf to the power button."""

    requester: Registered
    target: Registered

    @staticmethod
    def make(lab: Lab, target_kind: str = "small", *, has_interface: bool = False) -> Pair:
        """From a clean lab; guest1 runs and its host takes its requests."""
        host1 = lab.hosts[0]
        # Without it the preferred host pulls a moved guest back at once.
        stickiness = ["crm_attribute", "-t", "rsc_defaults", "-n", "resource-stickiness", "-v"]
        host1.must([*stickiness, "INFINITY"])
        for host in lab.hosts:
            _install_hook(host)
        stonith.load_daemons(lab)
        pair = Pair(
            _register(lab, Guest("guest1", kind="full", has_interface=has_interface), host1),
            _register(lab, Guest("guest2", kind=target_kind, power="deaf"), host1),
        )
        pair.target.set_operation("stop-0", timeout=STOP_TIMEOUT)
        for one in pair:
            one.start()
        pair.echo()
        return pair

    def is_made_by(self, arguments: Mapping[str, Any]) -> bool:
        """Whether make() with these would make such a pair."""
        is_alike = self.requester.guest.has_interface is bool(arguments.get("has_interface"))
        return is_alike and self.target.guest.kind == str(arguments.get("target_kind", "small"))

    @property
    def lab(self) -> Lab:
        return self.requester.lab

    def ask(self, operation: str, **fields: Any) -> Asking:
        """guest1 asks for it, of guest2 unless fields say otherwise."""
        asked = Ask(operation, "guest2", self.target.resource)._replace(**fields)
        return asked.begin(self.lab.guests, self.requester.guest)

    def answer(self, operation: str, **fields: Any) -> Answered:
        return self.ask(operation, **fields).answered()

    def echo(self) -> None:
        """guest1's way to its host stands. LabError if not in time."""
        deadline = Deadline(BOOT_S)
        said: object = None
        while not deadline.expired():
            # It may still be booting.
            try:
                said = answered = self.answer("status")
                if answered.is_ok:
                    return
            except LabError as error:
                said = error
        raise LabError(f"guest1 has no way to its host: {said}")

    def place(self, host: Machine) -> str:
        """guest2 runs there, under Pacemaker, in a boot that counts; gives the boot.

        Behind a fence whose target still stands in Pacemaker's status as it was before.
        """
        lab, target = self.lab, self.target
        stonith.wait_clean(lab, BAN_S)
        if stonith.role(lab, target.resource) == "Stopped":
            target.vm_ctl("resource", "start", target.guest.name)
        lab.cluster.wait_running(target.resource)
        if target.hosts() != [host.name]:
            # An emulated guest that was migrated in its boot has been seen to stand still for good.
            target.tick()
            target.move(host)
        lab.cluster.wait_running(target.resource, host.name)
        return target.tick().boot

    def returned(self, boot: str) -> str:
        """guest2 has come back once, on one host, in another boot; gives that."""
        self.lab.cluster.wait_running(self.target.resource, timeout_s=BOOT_S)
        return self.target.counter.wait_for_boot(BOOT_S, other_than=boot).boot

    def proven(self) -> list[Proven]:
        return stonith.proven(self.lab)

    def reset_proven(self) -> Proven:
        """guest1 resets guest2; what its host's log says of the one OK."""
        began_s = time.time()
        answered = self.answer("reset")
        assert answered.is_ok, answered
        proven = [one for one in self.proven() if one.at_s > began_s]
        assert len(proven) == 1, proven
        return proven[0]

    def leftovers(self, role: str, boots: list[str], within_s: float = CLEAN_S) -> list[str]:
        """What a fence must not leave, in words; boots: guest1's before it. Waits for its end."""
        deadline = Deadline(within_s)
        while stonith.bans(self.lab) or stonith.pending_stops(self.lab):
            if deadline.expired():
                break
            time.sleep(0.1)
        lab, found = self.lab, []
        found += [f"ban {name}" for name in stonith.bans(lab)]
        found += [f"pending stop {name}" for name in stonith.pending_stops(lab)]
        found += [f"{name} in the CIB" for name in stonith.fail_counts(lab)]
        found += [f"failed {one.operation} on {one.host}" for one in lab.status().failures]
        found += [f"host fenced: {event}" for event in lab.fencing.events()]
        found += [f"constraint {name}" for name in self._moves()]
        is_role = stonith.role(lab, self.target.resource)
        if is_role != role:
            found.append(f"target-role {is_role}, not {role}")
        if self.requester.counter.boots() != boots:
            found.append("guest1 has been started anew")
        return found

    def _moves(self) -> list[str]:
        ids = [
            each.get("id", "") for each in self.lab.cib().iterfind("configuration/constraints/*")
        ]
        return [name for name in ids if name.startswith(("cli-", "move-"))]


def _register(lab: Lab, guest: Guest, host: Machine) -> Registered:
    lab.guests.define(guest)
    return register(lab, guest, host, "-m", "on")


def _install_hook(host: Machine) -> None:
    from tests.lab.hosts import hypervisor

    host.write("/etc/libvirt/hooks/qemu", HOOK, "0755")
    # libvirt looks for hooks when it starts.
    hypervisor.stop(host)
    hypervisor.start(host)
