# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads all facts: Pacemaker's tools first, then all hosts' libvirts at once."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from lxml import etree

from check.vm_check import corosync, fence_history, fence_records, history, host_files, survey
from check.vm_check.facts import Facts, Guest
from check.vm_check.guests import DEFAULT_URI, of_configuration
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, reason_of
from pmkvm.fencing import mute
from pmkvm.pacemaker import attributes, cib, resource, status, tools
from pmkvm.pacemaker.errors import BadAnswerError
from pmkvm.thread_call import call_in_thread
from pmkvm.tokens import key_report
from pmkvm.virt import definition, presence, private_state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from xml.etree.ElementTree import Element

    from pmkvm.pacemaker.status import Cluster
    from pmkvm.virt.private_state import State

CLUSTER_S = 10.0
# Of all files together, which may lie on a mount that hangs.
FILES_S = 3.0
ATTRIBUTES_S = 2.0
# Said by each host's vm-stonithd and vm-connectd.
PRIVATE = (key_report.ATTRIBUTE, presence.ATTRIBUTE, mute.ATTRIBUTE)


def gather(progress: Callable[[str], None]) -> Facts:
    """Raises HaError where this host's Pacemaker does not answer."""
    deadline = Deadline(CLUSTER_S)
    progress("asking Pacemaker")
    document = cib.query(deadline)
    monitor = tools.call(("crm_mon", "--output-as=xml", "--inactive"), deadline).out
    cluster, root = status.parse(monitor), _cib(document)
    crm_mon = tools.parsed(monitor, "crm_mon")
    local = resource.local_node(deadline)
    progress("reading definitions")
    guests = _guests(ElementTree.fromstring(document), cluster)
    uris = _uris(guests, cluster, local)
    progress(f"asking libvirt on {len(uris)} hosts")
    found = survey.survey(uris, local, [guest.config for guest in guests.values()])
    progress("asking Pacemaker for its scores")
    facts = Facts(
        cib=root,
        cluster=cluster,
        hosts=found.hosts,
        guests=guests,
        silent=found.silent,
        attributes=_attributes(root, Deadline(ATTRIBUTES_S)),
        measured=history.measured(root),
        this_host=local,
        now=time.time(),
        crm_mon=crm_mon,
        scores=_scores(document),
        uris=uris,
        corosync=corosync.read(Deadline(ATTRIBUTES_S)),
        host_files=host_files.read(),
        fences=fence_history.last(crm_mon),
        fence_records=fence_records.read(),
    )
    return _with_mounts(facts)


def _scores(document: str) -> dict[str, dict[str, int]] | None:
    """None where Pacemaker does not tell."""
    try:
        return resource.every_score(document, Deadline(CLUSTER_S))
    except HaError:
        return None


def _with_mounts(facts: Facts) -> Facts:
    """What this host's mounts tell of what the guests keep; a mount that hangs tells nothing."""
    roots = {guest.domain: facts.definition(guest) for guest in facts.each()}

    def look() -> tuple[dict[str, list[State]], frozenset[str]]:
        known = {name: root for name, root in roots.items() if root is not None}
        paths = {path for root in known.values() for path in _disks(root)}
        kept = {name: private_state.not_shared(root) for name, root in known.items()}
        return kept, frozenset(private_state.unshared(paths))

    try:
        kept, unshared = call_in_thread(Deadline(FILES_S), "looking at mounts", look)
    except (HaError, OSError, ValueError):
        return facts
    return facts._replace(private=kept, unshared=unshared)


def _disks(root: Element) -> set[str]:
    sources = root.iterfind("devices/disk/source")
    return {path for each in sources for path in [each.get("file", "")] if path}


def _cib(document: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        return etree.fromstring(document.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise BadAnswerError(f"cibadmin's answer is no XML: {error}") from error


def _guests(root: Element, cluster: Cluster) -> dict[str, Guest]:
    """By domain; of two resources with one domain the second by its own name."""
    every = list(of_configuration(root, cluster))
    read = _files({guest.config for guest in every})
    found: dict[str, Guest] = {}
    for guest in every:
        file, error = read.get(guest.config, (None, f"{guest.config}: the disk does not answer"))
        name = "" if file is None else (file.findtext("name") or "").strip()
        known = guest._replace(domain=name or guest.domain, file=file, file_error=error)
        found[known.resource if known.domain in found else known.domain] = known
    return found


def _files(paths: set[str]) -> dict[str, tuple[Element | None, str]]:
    """What is in each, or why it can't be read; one is missing if its disk does not answer."""
    found: dict[str, tuple[Element | None, str]] = {}

    def read() -> None:
        for path in sorted(paths):
            found[path] = _file(path)

    with contextlib.suppress(HaError):
        call_in_thread(Deadline(FILES_S), "reading definitions", read)
    return dict(found)


def _file(path: str) -> tuple[Element | None, str]:
    if not os.path.isabs(path):
        return None, "the CIB does not tell its path"
    try:
        return definition.parse(definition.read(path), path), ""
    except OSError as error:
        return None, f"{path}: {reason_of(error)}"
    except HaError as error:
        return None, str(error)


def _uris(guests: Mapping[str, Guest], cluster: Cluster, local: str) -> dict[str, str]:
    """Each host that is up as the guests' migrations call it."""
    transport = next((each.transport for each in guests.values()), None)
    if transport is None:
        return {local: DEFAULT_URI}
    return {
        node: transport.hypervisor if node == local else transport.uri(node)
        for node in cluster.online_hosts()
    }


def _attributes(root: etree._Element, deadline: Deadline) -> dict[str, dict[str, str]]:
    """By node, then by name; one that attrd does not tell is not there."""
    found: dict[str, dict[str, str]] = {}
    for state in root.iterfind("status/node_state"):
        pairs = state.iterfind("transient_attributes/instance_attributes/nvpair")
        its = {str(pair.get("name")): str(pair.get("value", "")) for pair in pairs}
        found[str(state.get("uname"))] = its
    for name in PRIVATE:
        try:
            said = attributes.hear(name, deadline)
        except HaError:
            continue
        for node, value in said.items():
            found.setdefault(node, {})[name] = value
    return found
