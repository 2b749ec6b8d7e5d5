# SPDX-License-Identifier: GPL-2.0-or-later
"""`virsh migrate`'s options as libvirt's flags and typed parameters. Pure."""

from __future__ import annotations

from pmkvm.light_types import NamedTuple
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Union

    Value = Union[str, int, "list[str]"]

# virDomainMigrateFlags.
LIVE = 1
PEER_TO_PEER = 1 << 1
TUNNELLED = 1 << 2
AUTO_CONVERGE = 1 << 13
POSTCOPY = 1 << 15
TLS = 1 << 16

_FLAGS = {
    "--live": LIVE,
    "--p2p": PEER_TO_PEER,
    "--tunnelled": TUNNELLED,
    "--persistent": 1 << 3,
    "--undefinesource": 1 << 4,
    "--copy-storage-all": 1 << 6,
    "--copy-storage-inc": 1 << 7,
    "--change-protection": 1 << 8,
    "--unsafe": 1 << 9,
    "--compressed": 1 << 11,
    "--abort-on-error": 1 << 12,
    "--auto-converge": AUTO_CONVERGE,
    "--rdma-pin-all": 1 << 14,
    "--postcopy": POSTCOPY,
    "--tls": TLS,
    "--parallel": 1 << 17,
    "--copy-storage-synchronous-writes": 1 << 18,
    "--zerocopy": 1 << 20,
    # What virsh does beside libvirt: progress is logged in any case, and --postcopy-after-precopy,
    # --timeout-suspend and --timeout-postcopy are in Options below.
    "--verbose": 0,
    "--postcopy-after-precopy": POSTCOPY,
    "--timeout-suspend": 0,
    "--timeout-postcopy": POSTCOPY,
}
_TEXT, _NUMBER, _LIST, _FILE = "text", "number", "list", "file"
# Options with a value: libvirt's typed parameter, and what virsh makes of the value.
_VALUES = {
    "--migrateuri": ("migrate_uri", _TEXT),
    "--dname": ("destination_name", _TEXT),
    "--graphicsuri": ("graphics_uri", _TEXT),
    "--listen-address": ("listen_address", _TEXT),
    "--disks-uri": ("disks_uri", _TEXT),
    "--tls-destination": ("tls.destination", _TEXT),
    "--migrate-disks": ("migrate_disks", _LIST),
    "--comp-methods": ("compression", _LIST),
    "--xml": ("destination_xml", _FILE),
    "--persistent-xml": ("persistent_xml", _FILE),
    "--bandwidth": ("bandwidth", _NUMBER),
    "--postcopy-bandwidth": ("bandwidth.postcopy", _NUMBER),
    "--parallel-connections": ("parallel.connections", _NUMBER),
    "--disks-port": ("disks_port", _NUMBER),
    "--comp-mt-level": ("compression.mt.level", _NUMBER),
    "--comp-mt-threads": ("compression.mt.threads", _NUMBER),
    "--comp-mt-dthreads": ("compression.mt.dthreads", _NUMBER),
    "--comp-xbzrle-cache": ("compression.xbzrle.cache", _NUMBER),
    "--auto-converge-initial": ("auto_converge.initial", _NUMBER),
    "--auto-converge-increment": ("auto_converge.increment", _NUMBER),
    "--timeout": ("", _NUMBER),
}
# They would leave the guest where, or as, Pacemaker does not expect it.
_REFUSED = ("--offline", "--suspend", "--direct", "--postcopy-resume")


class Options(NamedTuple):
    """flags and parameters are virDomainMigrate3's; the rest is what virsh itself would do."""

    flags: int
    parameters: Mapping[str, Value]
    # Paths of files whose text is the parameter's value.
    files: Mapping[str, str]
    timeout_s: int = 0
    postcopy_at_timeout: bool = False
    postcopy_after_precopy: bool = False


def parse_options(text: str) -> Options:
    """Raises OcfError CONFIGURED, which names the option."""
    flags, arguments, given = LIVE, text.split(), set[str]()
    values: dict[str, Value] = {}
    files: dict[str, str] = {}
    timeout_s = 0
    while arguments:
        option, equals, value = arguments.pop(0).partition("=")
        if option in _FLAGS and not equals:
            flags |= _FLAGS[option]
            given.add(option)
        elif option in _VALUES and (equals or arguments):
            name, kind = _VALUES[option]
            value = value if equals else arguments.pop(0)
            if kind == _FILE:
                files[name] = value
            elif name:
                values[name] = _value(option, kind, value)
            else:
                timeout_s = int(str(_value(option, kind, value)))
        else:
            raise _unknown(option)
    return Options(
        flags,
        values,
        files,
        timeout_s,
        "--timeout-postcopy" in given,
        "--postcopy-after-precopy" in given,
    )


def _value(option: str, kind: str, text: str) -> Value:
    if kind == _LIST:
        return text.split(",")
    if kind == _TEXT:
        return text
    if not (text.isascii() and text.isdigit()):
        raise _bad(f"{option} needs a number, not {text!r}")
    return int(text)


def _unknown(option: str) -> OcfError:
    if option in _REFUSED:
        return _bad(f"{option} leaves the guest as Pacemaker does not expect it")
    return _bad(f"{option!r} is none of {' '.join([*_FLAGS, *_VALUES])}")


def _bad(text: str) -> OcfError:
    return OcfError(OcfCode.CONFIGURED, f"parameter migrate_options: {text}")
