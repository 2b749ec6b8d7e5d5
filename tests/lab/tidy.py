# SPDX-License-Identifier: GPL-2.0-or-later
"""Brings a used lab back to bare, between tests: hosts up, CIB bare, guests gone."""

from __future__ import annotations

from pmkvm import settings
from tests.lab.cluster import cib
from tests.lab.errors import LabError
from tests.lab.hosts import hypervisor, ssh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from tests.lab.cluster.status import Status
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

TIMEOUT_S = 40.0
DAEMONS = ("corosync", "pacemakerd", "sshd", "libvirtd")
# Sections of the CIB that the bare one does not have.
EXTRA_SECTIONS = ("op_defaults", "acls", "tags", "alerts", "fencing-topology")
# Options that Pacemaker writes itself.
OWN_OPTIONS = ("have-watchdog", "dc-version", "cluster-infrastructure", "cluster-name")


def tidy(lab: Lab) -> None:
    """Raises HaError if anything does not come back in time."""
    lab.fencing.repair()
    for host in lab.hosts:
        _revive(lab, host)
    lab.cluster.wait_online(timeout_s=TIMEOUT_S)
    _strip_cib(lab)
    lab.cluster.wait(_is_bare, "nothing but fencing is left", TIMEOUT_S)
    _strip_attributes(lab)
    lab.cluster.wait_idle(TIMEOUT_S)
    lab.guests.clear()
    remove_files(lab)
    # A resource that would not stop may have had its host fenced meanwhile.
    dead = [host.name for host in lab.hosts if not host.is_alive()]
    if dead:
        raise LabError(f"{', '.join(dead)} did not survive the end of the test")
    lab.cluster.wait_online(timeout_s=TIMEOUT_S)
    lab.cluster.forget_failures(TIMEOUT_S)


def remove_files(lab: Lab) -> None:
    """What the project remembers about guests on the hosts, and keys."""
    for host in lab.hosts:
        host.must(["rm", "-rf", "/run/pm_kvm_tools", settings.STONITH_KEY])


def _revive(lab: Lab, host: Machine) -> None:
    if not host.is_alive():
        lab.boot(host)
        return
    if host.is_cut():
        host.heal()
    for name in DAEMONS:
        if host.pid_of(name) is not None:
            host.signal(name, "CONT")
    ssh.repair(host, lab.hosts)
    hypervisor.ensure(host)
    if host.pid_of("pacemakerd") is None:
        host.stop("corosync")
        lab.cluster.start([host])


def _strip_cib(lab: Lab) -> None:
    now = lab.cluster.cib()
    asked = lab.cluster.speaker()
    asked.run(["crm_resource", "--cleanup"], timeout_s=60)
    for path in _surplus(now):
        asked.must(["cibadmin", "--delete", "--force", "--xpath", path])
    bare = cib.bare(asked.must(["cibadmin", "--empty"]), lab.cluster.rsc_defaults)
    argv = ["cibadmin", "--modify", "--allow-create", "--xml-pipe", "--scope", "configuration"]
    asked.must(argv, stdin=cib.configuration(bare))
    asked.run(["stonith_admin", "--cleanup", "--history=*"])


def _surplus(now: Element) -> list[str]:
    """XPaths of what a test left in the configuration, dependants before what they name."""
    paths = [f"//configuration/{name}" for name in EXTRA_SECTIONS if _has(now, name)]
    paths += _children(now, "constraints", [])
    paths += _children(now, "resources", [cib.FENCE_RSC])
    paths += _children(now, "rsc_defaults", ["rsc-options"])
    paths += [
        f"//crm_config//nvpair[@id='{pair.get('id')}']"
        for pair in now.iterfind("./configuration/crm_config//nvpair")
        if pair.get("name") not in (*cib.crm_config(now), *OWN_OPTIONS)
    ]
    paths += [
        f"//node[@id='{node.get('id')}']/{part.tag}[@id='{part.get('id')}']"
        for node in now.iterfind("./configuration/nodes/node")
        for part in node
    ]
    return paths


def _children(now: Element, section: str, kept: list[str]) -> list[str]:
    found = now.iterfind(f"./configuration/{section}/*")
    return [
        f"//configuration/{section}/{element.tag}[@id='{element.get('id')}']"
        for element in found
        if element.get("id") not in kept
    ]


def _has(now: Element, section: str) -> bool:
    return now.find(f"./configuration/{section}") is not None


def _is_bare(now: Status) -> bool:
    names = {resource.name for resource in now.resources}
    return names == {cib.FENCE_RSC} and bool(now.hosts_of(cib.FENCE_RSC))


def _strip_attributes(lab: Lab) -> None:
    """Transient attributes: failure counts, health, whatever a test's agents published."""
    asked = lab.cluster.speaker()
    for state in lab.cluster.cib().iterfind("./status/node_state"):
        for pair in state.iterfind("./transient_attributes//nvpair"):
            name = pair.get("name", "")
            if not name.startswith("#"):
                node = state.get("uname", "")
                asked.must(["attrd_updater", "--delete", "--name", name, "--node", node])
