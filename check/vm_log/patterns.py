# SPDX-License-Identifier: GPL-2.0-or-later
"""What a line of a log says, by the messages of Pacemaker and vm-stonithd. Pure.

A message is known by its program and its words, never by the function's name, which the journal
does not have. What stands behind " | " is missing there as well.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from check.vm_log.event import Event, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from check.vm_log.event import Line

CONTROLD, FENCED, SCHEDULERD = "pacemaker-controld", "pacemaker-fenced", "pacemaker-schedulerd"
ATTRD, PACEMAKERD, STONITHD = "pacemaker-attrd", "pacemakerd", "vm-stonithd"
# Where a message was seen: in logs of the lab on Debian 12 and 13, else in the sources of both.
LOGS, LOGS_21, SOURCES = (
    "2.1.5, 3.0.0",
    "2.1.5; 3.0.0 by its source",
    "2.1.5, 3.0.0 by their source",
)


class Pattern(NamedTuple):
    """The named groups of words are fields of an Event.

    is_remote: not of the host that wrote it, which has said the same before, and more.
    """

    program: str
    kind: Kind
    seen: str
    words: re.Pattern[str]
    is_remote: bool = False


RSC, HOST = r"(?P<resource>\S+)", r"(?P<host>\S+)"
OK = r"(?i:ok)(?= \||$)"
END = r"(?: \| .*)?$"
GRAPH_END = r"(?: \| (?:CIB update|graph action) .*)?$"
# Of a line that was cut the reason has no end.
RESULT = r"(?P<result>[^(|]*?)(?: \((?P<reason>.*?)\)?)?"
ACTION = r"(?P<operation>start|stop|monitor|migrate_to|migrate_from|promote|demote)"
# What is no failure of an action, and of a probe.
WELL = r"(?!(?i:ok|promoted)(?: \||$)|Cancelled)"
PROBED = r"(?!(?i:ok|promoted)(?: \||$)|(?i:not running|not installed)\b)"
# By 2.1's words and 3.0's.
DEGRADED = (
    r"(?:OCF_DEGRADED|promoted \(degraded\)|Service is (?:active|promoted) but might fail soon)"
)
SETTING = (
    r"(?:target-role|is-managed|maintenance(?:-mode)?|standby|stop-all-resources|stonith-enabled)"
)
# Of a promotable clone the roles stand beside the hosts.
ROLE = r"(?:Started|Stopped|Promoted|Unpromoted)"
PLAN = (
    r"(?P<operation>Start|Stop|Move|Migrate|Recover|Restart|Reload|Promote|Demote|Re-promote)"
    rf" +{RSC} +\( +(?:{ROLE} -> {ROLE} |{ROLE} )?(?:(?P<origin>\S+) -> (?:{ROLE} )?)?"
    rf"{HOST}(?: {ROLE})? \)(?:  (?P<reason>.*))?$"
)
# vm-stonithd's name of a fence, which the logs of guests and hosts have in common.
NAMED = rf"[0-9a-f]{{16}} (?P<by>\S+) (?P<operation>\w+) {RSC}"
TOOK = r"\((?P<took_ms>\d{1,9}) ms, ban "
TRANSITION = r"Transition -?\d+"
ABORTED = rf"{TRANSITION} aborted by"


def _of(program: str, *rows: tuple[Kind, str, str]) -> Iterator[Pattern]:
    for kind, seen, words in rows:
        yield Pattern(program, kind, seen, re.compile(words, re.DOTALL | re.ASCII))


def _done(kind: Kind, action: str, seen: str) -> Iterator[Pattern]:
    """By the host that did it, and by the DC of other hosts: that only pacemaker.log has."""
    here = rf"Result of {action} operation for {RSC} on {HOST}: {OK}"
    there = rf"{TRANSITION} action \d+ \({RSC}_{action}_0 on {HOST}\) confirmed: {OK}"
    yield Pattern(CONTROLD, kind, seen, re.compile(here))
    yield Pattern(CONTROLD, kind, seen, re.compile(there), is_remote=True)


PATTERNS = (
    *_done(Kind.STARTED, "start", LOGS),
    *_done(Kind.STOPPED, "stop", LOGS),
    *_done(Kind.SENT, "migrate_to", LOGS),
    *_done(Kind.MOVED, "migrate_from", LOGS),
    *_done(Kind.PROMOTED, "promote", SOURCES),
    *_done(Kind.DEMOTED, "demote", SOURCES),
    *_of(
        CONTROLD,
        (
            Kind.FOUND,
            SOURCES,
            rf"Result of probe operation for {RSC} on {HOST}:"
            rf" (?:(?i:ok|promoted)(?= \||$)|{DEGRADED})",
        ),
        (
            Kind.DEGRADED,
            SOURCES,
            rf"Result of monitor operation for {RSC} on {HOST}: {DEGRADED}"
            rf"(?: \((?P<reason>.*)\))?{GRAPH_END}",
        ),
        (
            Kind.FAILED,
            LOGS,
            rf"Result of {ACTION} operation for {RSC} on {HOST}: {WELL}{RESULT}{GRAPH_END}",
        ),
        (
            Kind.FAILED,
            SOURCES,
            rf"Result of (?P<operation>probe) operation for {RSC} on {HOST}:"
            rf" {PROBED}{RESULT}{GRAPH_END}",
        ),
        (Kind.HOST_JOINED, LOGS, rf"Node {HOST} state is now member{END}"),
        (Kind.HOST_LOST, LOGS, rf"Node {HOST} state is now lost{END}"),
        (Kind.DC, LOGS, rf"Set DC to {HOST} \("),
        (Kind.DC_LOST, LOGS, rf"Our DC node \({HOST}\) left the cluster$"),
        (Kind.QUORUM, LOGS, rf"Quorum acquired{END}"),
        (Kind.QUORUM_LOST, LOGS, rf"(?:Quorum lost|No quorum){END}"),
        (
            Kind.FENCE_OK,
            LOGS,
            rf"Peer {HOST} was terminated \((?P<operation>\w+)\) by (?P<by>.+?)"
            r" on behalf of (?P<client>[^:]+): OK",
        ),
        (
            Kind.FENCE_FAILED,
            LOGS_21,
            rf"Peer {HOST} was not terminated \((?P<operation>\w+)\) by (?P<by>.+?)"
            rf" on behalf of (?P<client>[^:]+): {RESULT}(?: \| event=.*)?$",
        ),
        (
            Kind.FENCE_GIVEN_UP,
            SOURCES,
            rf"Too many failures \((?P<result>\d+)\) to fence {HOST}, giving up$",
        ),
        (Kind.GUEST_BANNED, LOGS_21, rf"{ABORTED} rsc_location\.vm-stonith-{RSC} 'create':"),
        (
            Kind.GUEST_BAN_ENDED,
            LOGS_21,
            rf"{ABORTED} deletion of rsc_location\[@id='vm-stonith-{RSC}'\]:",
        ),
        (
            Kind.SETTING,
            LOGS_21,
            rf"{ABORTED} (?:(?P<resource>\S+?)-meta_attributes\S*|(?P<by>\S+)-{SETTING})"
            rf" doing (?:create|modify) (?P<result>{SETTING}=\S*): Configuration change",
        ),
        (
            Kind.SETTING,
            LOGS_21,
            rf"{ABORTED} deletion of nvpair\[@id="
            r"'(?:(?P<resource>\S+?)-meta_attributes|(?P<by>\S+))"
            rf"-(?P<operation>{SETTING})'\]: Configuration change",
        ),
    ),
    *_of(
        SCHEDULERD,
        # The DC says it again of each failure in the CIB whenever it plans.
        (
            Kind.FAILED,
            LOGS,
            rf"Unexpected result \((?P<result>[^:]*?)(?:: (?P<reason>.*))?\) was recorded for"
            rf" (?P<operation>\w+) of {RSC} on {HOST} at (?P<recorded>[^|]*?){END}",
        ),
        (Kind.PLANNED, LOGS, rf"Actions: {PLAN}"),
        (Kind.HOST_LEAVING, SOURCES, rf"Actions: Shutdown {HOST}"),
        (
            Kind.FENCE_PLANNED,
            LOGS,
            rf"Actions: Fence \((?P<operation>\w+)\) {HOST}(?: '(?P<reason>.*)')?$",
        ),
    ),
    *_of(
        FENCED,
        (
            Kind.FENCE_ASKED,
            LOGS_21,
            rf"Client (?P<client>\S+) wants to fence \((?P<operation>\w+)\) {HOST} using ",
        ),
        (
            Kind.FENCE_DEVICE,
            LOGS,
            rf"Operation '(?P<operation>\w+)'(?: \[\d+\])? targeting {HOST} using (?P<device>\S+)"
            r" (?P<result>returned \d+|could not be executed: [^(|]*?)"
            r"(?: \((?P<reason>.*?)\))?(?:, retrying with \S+)?(?: \(\d+ devices? remaining\))?"
            rf"{END}",
        ),
    ),
    *_of(
        ATTRD,
        (
            Kind.MIGRATION,
            LOGS,
            r"Setting migration-(?P<resource>[^\s\[]+)\[(?P<origin>[^\s\]]+)\](?: in \S+)?:"
            r" .* -> (?!\(unset\))(?P<reason>.+?)(?: \| from .*)?$",
        ),
    ),
    *_of(
        PACEMAKERD,
        (Kind.PACEMAKER_STARTS, LOGS_21, rf"Starting Pacemaker (?P<result>\S+){END}"),
        (Kind.PACEMAKER_STOPS, SOURCES, r"Shutting down Pacemaker$"),
    ),
    *_of(
        STONITHD,
        (
            Kind.GUEST_KILLED,
            "2",
            rf"{NAMED}: (?P<result>killed QEMU [\d, ]+) \(ban [0-9a-f]+ of \S+\)$",
        ),
        (
            Kind.GUEST_FENCE_OK,
            "2",
            rf"{NAMED}(?: on (?P<host>[^:]+))?: OK, (?P<reason>.*) {TOOK}",
        ),
        (Kind.GUEST_FENCE_NG, "2", rf"{NAMED}(?: on (?P<host>[^:]+))?: NG (?P<reason>.*) {TOOK}"),
        (Kind.GUEST_FENCE_WAITS, "2", rf"{NAMED}: waits: (?P<reason>.*)$"),
        (Kind.GUEST_REFUSED, "2", r"[0-9a-f]{16} (?P<by>\S+) is refused: (?P<reason>.*)$"),
    ),
)
_INSTANCE = re.compile(r":\d+$", re.ASCII)
_BY_PROGRAM = {
    program: tuple(one for one in PATTERNS if one.program == program)
    for program in {one.program for one in PATTERNS}
}


def event_of(line: Line) -> Event | None:
    for pattern in _BY_PROGRAM.get(line.program, ()):
        found = pattern.words.match(line.text)
        if found is not None:
            fields = {name: value or "" for name, value in found.groupdict().items()}
            if "resource" in fields:
                # The DC numbers the instances of a clone, the hosts don't.
                fields["resource"] = _INSTANCE.sub("", fields["resource"])
            if pattern.is_remote and _short(fields["host"]) == _short(line.host):
                return None
            return Event(pattern.kind, line.at, line.host, **fields)
    return None


def _short(host: str) -> str:
    """The journal may have the whole name of a host of which Pacemaker has the first part."""
    return host.partition(".")[0]
