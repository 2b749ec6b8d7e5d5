# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether libvirt's own definition of a guest says what a person's file says. Pure.

libvirt adds to what it is given: addresses, controllers, defaults; and it writes a number, a size
and a machine's name in its own way. None of that is a difference.
"""

from __future__ import annotations

from pmkvm.virt import memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# Of devices libvirt adds none of these by itself.
_NEVER_ADDED = ("disk", "interface", "hostdev", "filesystem", "tpm", "shmem", "lease")


def place_of_disagreement(file: Element, own: Element) -> str:
    """The path to the first element of the file that is not so in libvirt's definition, or to a
    device that only that one has; empty if they agree."""
    return _place(file, own)


def _place(said: Element, own: Element) -> str:
    here = f"<{said.tag}>"
    if _is_size(said):
        return "" if memory.size(said) == memory.size(own) else here
    for name, value in said.attrib.items():
        if not _is_same(name, value, own.get(name)):
            return here
    text = (said.text or "").strip()
    if text and not _is_same(said.tag, text, (own.text or "").strip()):
        return here
    left = list(own)
    for child in filter(_says_something, said):
        alike = [each for each in left if each.tag == child.tag]
        places = [(_place(child, each), each) for each in alike]
        match = next((each for place, each in places if not place), None)
        if match is None:
            # Of several devices of a kind nobody knows which one was meant.
            only = places[0][0] if len(places) == 1 else f"<{child.tag}>"
            return f"{here}{only}"
        left.remove(match)
    more = [each.tag for each in left if said.tag == "devices" and each.tag in _NEVER_ADDED]
    return f"{here}<{more[0]}>" if more else ""


def _says_something(element: Element) -> bool:
    """libvirt drops the <source mode='bind'/> of a channel whose socket it names itself."""
    is_bare = len(element) == 0 and not set(element.attrib) - {"mode"}
    return not (element.tag == "source" and is_bare)


def _is_same(name: str, said: str, own: str | None) -> bool:
    if own is None:
        return False
    if name == "machine" and own.startswith("pc-"):
        # pc and q35 stand for the newest of their kind.
        return said == own or (said, own.startswith("pc-q35")) in (("pc", False), ("q35", True))
    return _plain(name, said) == _plain(name, own)


def _plain(name: str, text: str) -> str:
    if name == "uuid":
        return text.replace("-", "").lower()
    try:
        return str(int(text, 0))
    except ValueError:
        return text.lower()


def _is_size(element: Element) -> bool:
    """A number of KiB, or of its unit."""
    return element.tag.lower().endswith("memory") and (element.text or "").strip().isdigit()
