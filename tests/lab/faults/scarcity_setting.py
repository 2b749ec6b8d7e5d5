# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the scene of scarcity, has it well again after each cell, and takes it away in the end."""

from __future__ import annotations

from tests.lab.cluster.cib import location, primitive
from tests.lab.cluster.registration import register
from tests.lab.faults import scarcity
from tests.lab.faults.scarcity_limits import relieve
from tests.lab.faults.scarcity_scene import COMMAND, PROGRAM, Scene
from tests.lab.guests.guests import Guest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.faults.gate import Gate
    from tests.lab.faults.scarcity_limits import Needs
    from tests.lab.guests.pair import Pair

# As vm-ctl's are, of what our own daemons run under.
OPERATIONS = (("start", "0", "60s"), ("monitor", "10s", "30s"), ("stop", "0", "60s"))


def make(pair: Pair, gate: Gate, needs: Needs) -> Scene:
    """The pair is made; the rest is added to it."""
    lab = pair.lab
    guest = Guest("guest3", power="acpi")
    lab.guests.define(guest)
    subject = register(lab, guest, lab.host(scarcity.HOME), "-m", "on")
    subject.start()
    parameters = {
        "binfile": COMMAND[0],
        "cmdline_options": COMMAND[1],
        "logfile": "/var/log/program.log",
    }
    program = primitive(
        PROGRAM, "ocf:extra:vm-anything", parameters=parameters, operations=OPERATIONS
    )
    lab.cluster.add(
        program,
        location("program-home", PROGRAM, scarcity.HOME, "500"),
        # It needs no move after a fence.
        location("target-home", pair.target.resource, scarcity.HOME, "500"),
    )
    lab.cluster.wait_running(PROGRAM, scarcity.HOME)
    return Scene(pair, subject, gate, needs)


def mend(scene: Scene) -> None:
    """Whatever an action has ended with: it is no obstacle to the next one."""
    scene.gate.open()
    asked = scene.away
    for found in scene.services().values():
        # Of two of a kind nobody knows which one is Pacemaker's.
        for process in found if found[1:] else ():
            process.kill()
    for name in (scene.subject.resource, PROGRAM):
        asked.run(["crm_resource", "--clear", "-r", name])
        asked.run(["crm_resource", "--cleanup", "-r", name])
    asked.run(["crm_resource", "--cleanup", "-r", scene.pair.target.resource])
    for host in scene.lab.hosts:
        relieve(host)


def strike(scene: Scene) -> None:
    """Only the pair is left."""
    scene.tell(PROGRAM, "target-role", "Stopped")
    scene.subject.vm_ctl("resource", "stop", scene.subject.guest.name)
    scene.subject.vm_ctl("resource", "delete", scene.subject.guest.name)
    scene.lab.cluster.wait_stopped(PROGRAM)
    paths = ("rsc_location[@id='target-home']", "rsc_location[@id='program-home']")
    for path in (*paths, f"primitive[@id='{PROGRAM}']"):
        scene.away.must(["cibadmin", "--delete", "--xpath", f"//{path}"])
