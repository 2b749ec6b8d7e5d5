# SPDX-License-Identifier: GPL-2.0-or-later
"""The parameters that both faces share: their table, and their values once checked. Pure.

No error here holds a token, or what may be one because the delimiter is wrong.
"""

from __future__ import annotations

import re

from pmkvm.errors import HaError
from pmkvm.light_types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DELIMITER = ":"
TIMEOUT_S = 20
LONGEST_S = 3600.0

# Of the project that these plugins come from.
VENDOR_URL = "https://linux-ha.osdn.jp/"

HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)
_TOKEN = re.compile(r"[!-~]{1,4096}", re.ASCII)
_SECONDS = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,3})?) ?s?", re.ASCII)


class ParameterError(HaError):
    """Parameters that can't be used; the text names all that is wrong with them."""


class Parameter(NamedTuple):
    """One parameter, as the metadata of both faces tells it. replaced_by: its newer spelling.

    The rest is of fence_vm_stonith's command line. argument: its name in the help, empty for a
    switch. long: an option of another name than the parameter's.
    """

    name: str
    content_type: str
    shortdesc: str
    longdesc: str
    default: str = ""
    required: bool = False
    replaced_by: str = ""
    argument: str = ""
    letter: str = ""
    long: str = ""


HOSTLIST = Parameter(
    "hostlist",
    "string",
    "Guests and their tokens",
    "The guests that this device can fence, separated by blanks. Each is NAME:TOKEN: the name of"
    " its cluster node, and the token that the administrator of the hosts made for it.",
    required=True,
    argument="list",
)
DELIMETER = Parameter(
    "delimeter",
    "string",
    "Delimiter (as it was spelt in 2011)",
    "The same as delimiter.",
    default=DELIMITER,
    replaced_by="delimiter",
    argument="text",
)
DELIMITER_PARAMETER = Parameter(
    "delimiter",
    "string",
    "Delimiter of name and token",
    "The text between name and token in hostlist. It must not have a blank.",
    default=DELIMITER,
    argument="text",
)
TIMEOUT = Parameter(
    "timeout",
    "second",
    "Time for an answer",
    "How many seconds the hosts may take to carry out a request and to prove it. The cluster's"
    " stonith-timeout (fencing-timeout from Pacemaker 3.0.2 on) must be more than 2 s longer. To"
    " survive the loss of a host, timeout must be longer than the hosts' cluster takes to fence a"
    " host.",
    default=str(TIMEOUT_S),
    argument="seconds",
)
SHARED = (HOSTLIST, DELIMETER, DELIMITER_PARAMETER, TIMEOUT)


class Entry(NamedTuple):
    """One guest of hostlist; repr() keeps the token to itself."""

    host: str
    token: str

    def __repr__(self) -> str:
        return f"Entry({self.host!r}, ***)"


class Device(NamedTuple):
    """What can be fenced, and how long that may take."""

    entries: tuple[Entry, ...]
    timeout_s: float

    def find(self, host: str) -> Entry | None:
        """Without regard to case: libstonith gives all names in lower case."""
        wanted = host.lower()
        return next((entry for entry in self.entries if entry.host.lower() == wanted), None)


def device(values: Mapping[str, str]) -> Device:
    """Raises ParameterError. What is not named here is not looked at."""
    problems: list[str] = []
    delimiter = _delimiter(values, problems)
    entries = tuple(_entries(values.get(HOSTLIST.name, ""), delimiter, problems))
    timeout_s = seconds(values.get(TIMEOUT.name) or TIMEOUT.default)
    if timeout_s is None or not timeout_s:
        problems.append(f"timeout is no number of seconds above 0 up to {LONGEST_S:.0f}")
    if problems or timeout_s is None:
        raise ParameterError("; ".join(problems))
    return Device(entries, timeout_s)


def seconds(text: str) -> float | None:
    """A duration such as 20 or 20s; None if it is none."""
    found = _SECONDS.fullmatch(text.strip())
    value = float(found.group(1)) if found else None
    return value if value is not None and value <= LONGEST_S else None


def _delimiter(values: Mapping[str, str], problems: list[str]) -> str:
    given = {values[one.name] for one in (DELIMETER, DELIMITER_PARAMETER) if values.get(one.name)}
    if len(given) > 1:
        problems.append("delimiter and delimeter differ")
    if any(letter.isspace() for text in given for letter in text):
        problems.append("the delimiter has a blank, which separates the entries of hostlist")
    return min(given, default=DELIMITER)


def _entries(hostlist: str, delimiter: str, problems: list[str]) -> list[Entry]:
    entries: list[Entry] = []
    seen = set()
    fields = hostlist.split()
    if not fields:
        problems.append("hostlist is empty")
    for number, field in enumerate(fields, 1):
        host, found, token = field.partition(delimiter)
        if not found or not HOST.fullmatch(host) or not _TOKEN.fullmatch(token):
            # The field may be a token, and so may be what stands before a wrong delimiter.
            problems.append(f"entry {number} of hostlist is not NAME{delimiter}TOKEN")
        elif host.lower() in seen:
            problems.append(f"{host} is in hostlist twice")
        else:
            seen.add(host.lower())
            entries.append(Entry(host, token))
    return entries
