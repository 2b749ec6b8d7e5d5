# SPDX-License-Identifier: GPL-2.0-or-later
"""The ban: the one object in the CIB that carries a fence. Built, read, told live or not. Pure.

VirtualDomain's actions and vm-stonithd share it, so it is light to load. A value has six fields
between colons; what is no letter, digit, dot, dash or underscore stands as %XX in UTF-8, so that
no id can hold a colon, a quote or a blank (crmsh and pcs show it and load it back).
"""

from __future__ import annotations

from pmkvm.errors import HaError
from pmkvm.fencing import instant
from pmkvm.light_types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

PREFIX = "vm-stonith-"
CONSTRAINTS = "/cib/configuration/constraints"

RESET, OFF, SETTLE = "reset", "off", "settle"
OPERATIONS = (RESET, OFF, SETTLE)

# A lease, and when its coordinator renews it.
LEASE_S = 60
RENEWAL_S = 20

_FIELDS = 6
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
# What would end a string in an XPath, or mean something in XML.
_DANGEROUS = frozenset("'\"<>&|/\\[]()")


class BanError(HaError):
    """Something stands in a ban's place that is none that we know."""


class Ban(NamedTuple):
    """What a ban says. request is the hash of the request's id, end seconds since 1970.

    A settle ban has neither requester nor request.
    """

    resource: str
    operation: str
    id: str
    requester: str
    request: str
    coordinator: str
    uuid: str
    end: int

    @property
    def value(self) -> str:
        fields = (
            self.operation,
            self.id,
            self.requester,
            self.request,
            self.coordinator,
            self.uuid,
        )
        return ":".join(map(quote, fields))

    def is_live(self, now: float) -> bool:
        """Whether its end is ahead of this clock."""
        return now < self.end


def name(resource: str) -> str:
    """The id of the resource's ban. Raises ValueError as check_id does."""
    return f"{PREFIX}{check_id(resource)}"


def check_id(text: str) -> str:
    """An id that may stand in an XPath and in XML. Raises ValueError."""
    if not text or not text.isprintable() or any(c.isspace() or c in _DANGEROUS for c in text):
        raise ValueError(f"{text!r} can't be an id in the CIB")
    return text


def xpath(resource: str) -> str:
    """What to ask `cibadmin --query --local --xpath` for; it says 105 when there is no ban."""
    return f"{CONSTRAINTS}/rsc_location[@id='{name(resource)}']"


def xpath_of_all() -> str:
    return f"{CONSTRAINTS}/rsc_location[starts-with(@id,'{PREFIX}')]"


def to_xml(ban: Ban) -> str:
    """The constraint, true on every node, since no node is of that #kind."""
    own = name(ban.resource)
    return (
        f'<rsc_location id="{own}" rsc="{ban.resource}">'
        f'<rule id="{own}-rule" score="-INFINITY" boolean-op="and">'
        f'<expression id="{own}-request" attribute="#kind" operation="ne" value="{ban.value}"/>'
        f'<date_expression id="{own}-lease" operation="lt" end="{instant.to_text(ban.end)}"/>'
        "</rule></rsc_location>"
    )


def find(answer: str, resource: str) -> Ban | None:
    """The resource's ban in an answer of cibadmin, or in a whole CIB.

    Raises BanError when it can't be understood: then nobody knows that there is none.
    """
    element = next(iter(_elements(answer, name(resource))), None)
    return None if element is None else _parse(element)


def find_all(answer: str) -> tuple[list[Ban], list[str]]:
    """All bans, and the complaints about those that can't be understood."""
    bans, complaints = [], []
    for element in _elements(answer, None):
        try:
            bans.append(_parse(element))
        except BanError as error:
            complaints.append(str(error))
    return bans, complaints


def quote(text: str) -> str:
    """The text with all that is not plain as %XX."""
    return "".join(
        c if c in _PLAIN else "".join(f"%{byte:02X}" for byte in c.encode("utf-8", "replace"))
        for c in text
    )


def unquote(text: str) -> str:
    """Raises ValueError for what quote() can't have made."""
    head, *coded = text.split("%")
    data = bytearray(head.encode())
    for part in coded:
        data.append(int(part[:2], 16))
        data += part[2:].encode()
    return data.decode()


def _elements(answer: str, wanted: str | None) -> list[Element]:
    # Here and not on top: a monitor that finds its guest well asks for no ban and never parses.
    from xml.etree import ElementTree

    if not answer.strip():
        return []
    try:
        root = ElementTree.fromstring(answer)
    except ElementTree.ParseError as error:
        raise BanError(f"the CIB manager's answer is no XML: {error}") from error
    return [
        element
        for element in root.iter("rsc_location")
        if element.get("id") == wanted
        or (wanted is None and element.get("id", "").startswith(PREFIX))
    ]


def _parse(element: Element) -> Ban:
    own, resource = element.get("id", ""), element.get("rsc", "")
    expression, lease = element.find("rule/expression"), element.find("rule/date_expression")
    if own != f"{PREFIX}{resource}" or expression is None or lease is None:
        raise BanError(f"{own} is not of the form of a ban")
    try:
        # More fields than six are a later release's; it must be obeyed all the same.
        fields = [unquote(field) for field in expression.get("value", "").split(":")][:_FIELDS]
        operation, ban_id, requester, request, coordinator, uuid = fields
        end = instant.from_text(lease.get("end", ""))
        ban = Ban(check_id(resource), operation, ban_id, requester, request, coordinator, uuid, end)
    except ValueError as error:
        raise BanError(f"{own} is not of the form of a ban: {error}") from error
    if ban.operation not in OPERATIONS or not ban.id:
        raise BanError(f"{own} is a ban for {ban.operation!r}, which nobody here knows")
    return ban
