# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads all facts: Pacemaker's tools first, then all hosts' libvirts at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from lxml import etree

from check.vm_check import history, survey
from check.vm_check.facts import Facts, Guest
from check.vm_check.guests import of_configuration
from pmkvm import knock
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError, reason_of
from pmkvm.pacemaker import attributes, cib, resource, status, tools
from pmkvm.pacemaker.errors import BadAnswerError
from pmkvm.tokens import key_report
from pmkvm.virt import definition, presence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from xml.etree.ElementTree import Element

    from pmkvm.pacemaker.status import Cluster

CLUSTER_S = 10.0
FILE_S = 2.0
# Said by vm-stonithd of each host.
PRIVATE = (key_report.ATTRIBUTE, presence.ATTRIBUTE)
DEFAULT_URI = "qemu:///system"


def gather(progress: Callable[[str], None]) -> Facts:
    """Raises HaError where this host's Pacemaker does not answer."""
    deadline = Deadline(CLUSTER_S)
    progress("asking Pacemaker")
    document = cib.query(deadline)
    monitor = tools.call(("crm_mon", "--output-as=xml", "--inactive"), deadline).out
    cluster = status.parse(monitor)
    root = _cib(document)
    local = resource.local_node(deadline)
    guests = _guests(ElementTree.fromstring(document), cluster)
    uris = _uris(guests, cluster, local)
    progress(f"asking libvirt on {len(uris)} hosts")
    found = survey.survey(uris, local, len(guests))
    progress("asking Pacemaker for its scores")
    return Facts(
        cib=root,
        cluster=cluster,
        hosts=found.hosts,
        guests=guests,
        silent=found.silent,
        attributes=_attributes(root, deadline),
        measured=history.measured(root),
        this_host=local,
        now=time.time(),
        crm_mon=tools.parsed(monitor, "crm_mon"),
        uris=uris,
    )


def _cib(document: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    try:
        return etree.fromstring(document.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise BadAnswerError(f"cibadmin's answer is no XML: {error}") from error


def _guests(root: Element, cluster: Cluster) -> dict[str, Guest]:
    found = {}
    for guest in of_configuration(root, cluster):
        file, error = _file(guest.config)
        name = "" if file is None else (file.findtext("name") or "").strip()
        known = guest._replace(domain=name or guest.domain, file=file, file_error=error)
        # Two resources of one domain: the second one by its own name.
        found[known.resource if known.domain in found else known.domain] = known
    return found


def _file(path: str) -> tuple[Element | None, str]:
    if not path.startswith("/"):
        return None, "the CIB does not tell its path"
    try:
        knock.require_answer(path, Deadline(FILE_S))
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
