# SPDX-License-Identifier: GPL-2.0-or-later
"""Single questions and orders to the cluster about one resource or this node."""

from __future__ import annotations

from xml.etree import ElementTree

from pmkvm.pacemaker import cib, tools
from pmkvm.pacemaker.errors import BadAnswerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

# Pacemaker's infinity; every score is between it and its negative (crm/common/scores.h).
INFINITY = 1_000_000


def local_node(deadline: Deadline) -> str:
    """The cluster's name of this host, which need not be its host name."""
    name = tools.call(("crm_node", "--name"), deadline).out.strip()
    if not name:
        raise BadAnswerError("crm_node does not name this node")
    return name


def parameter(resource: str, name: str, node: str, deadline: Deadline) -> str:
    """What the agent would be given on that node by Pacemaker, empty for nothing.

    By this host's own copy of the CIB, with rules, scores and references as they count there now;
    not what one operation is given another value of. The resource need not run there, nor ever
    have run. Raises HaError.
    """
    argv = ("crm_resource", "--digests", "--resource", resource, "--node", node)
    answer = tools.parsed(tools.call((*argv, "--output-as=xml"), deadline).out, argv[0])
    found = answer.find("digests/digest[@type='all']/parameters")
    if found is None:
        raise BadAnswerError("crm_resource's answer has no parameters")
    return found.get(name, "")


def was_to_arrive(resource: str, node: str, deadline: Deadline) -> bool:
    """Whether Pacemaker has it written down that the resource was to migrate to that node: both
    ends' actions name it. By this host's own copy of the CIB. Raises HaError."""
    history = f"/cib/status//lrm_resource[@id='{resource}']/lrm_rsc_op"
    return bool(cib.query_local(f"{history}[@migrate_target='{node}']", deadline).strip())


def allocation_scores(document: str, resource: str, deadline: Deadline) -> dict[str, int]:
    """The scheduler's score of each node for that resource in a CIB, all of it considered."""
    return parse_scores(tools.simulate(document, deadline, ("--show-scores",)), resource)


def every_score(document: str, deadline: Deadline) -> dict[str, dict[str, int]]:
    """The same of all resources, by their ids. Raises as allocation_scores()."""
    return parse_every_score(tools.simulate(document, deadline, ("--show-scores",)))


def parse_every_score(document: str) -> dict[str, dict[str, int]]:
    """Raises BadAnswerError."""
    found: dict[str, dict[str, int]] = {}
    try:
        for weight in ElementTree.fromstring(document).iterfind(".//node_weight[@node]"):
            # Only the placement of the resource itself: 2.1.5 to 3.0 call it
            # pcmk__primitive_assign, others are the scores of a clone's or a group's passes.
            if "primitive" in weight.get("function", ""):
                its = found.setdefault(weight.attrib["id"], {})
                its[weight.attrib["node"]] = score(weight.attrib["score"])
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise BadAnswerError(f"crm_simulate's answer is not understood: {error!r}") from error
    return found


def parse_scores(document: str, resource: str) -> dict[str, int]:
    """Raises BadAnswerError."""
    return parse_every_score(document).get(resource, {})


def score(text: str) -> int:
    """Raises ValueError for what is no score."""
    named = {"INFINITY": INFINITY, "+INFINITY": INFINITY, "-INFINITY": -INFINITY}
    if text.upper() in named:
        return named[text.upper()]
    return max(-INFINITY, min(INFINITY, int(text)))


def seconds(interval: str) -> float:
    """A Pacemaker time ("90s", "2min", "PT1M30S", "500ms"; a bare number is seconds).

    Raises ValueError.
    """
    text = interval.strip()
    if text.startswith("P"):
        return _iso_seconds(text)
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = {"us": 1e-6, "usec": 1e-6, "ms": 1e-3, "msec": 1e-3, "": 1.0, "s": 1.0, "sec": 1.0}
    unit.update({"m": 60.0, "min": 60.0, "h": 3600.0, "hr": 3600.0})
    suffix = text[len(digits) :]
    if suffix not in unit or not digits.strip().isdigit():
        raise ValueError(f"{interval!r} is no time: 90s, 2min, 500ms, PT1M30S")
    return int(digits) * unit[suffix]


def _iso_seconds(text: str) -> float:
    total, number = 0.0, ""
    if text[-1] not in "DHMS":
        raise ValueError(f"{text!r} is no duration that a timeout may be")
    unit = {"D": 86400.0, "H": 3600.0, "M": 60.0, "S": 1.0}
    for letter in text[1:].replace("T", ""):
        if letter.isdigit():
            number += letter
        elif letter in unit and number:
            total, number = total + int(number) * unit[letter], ""
        else:
            raise ValueError(f"{text!r} is no duration that a timeout may be")
    return total
