# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from check.vm_check import host_files, of_settings
from check.vm_check.host_files import HostFiles
from tests.unit.vm_check import fenced

if TYPE_CHECKING:
    from pathlib import Path

    from lxml import etree

    from check.vm_check.facts import Facts


def test_a_healthy_cluster_has_none() -> None:
    assert fenced.found(of_settings, fenced.facts()) == []


def no_stickiness() -> Facts:
    def change(root: etree._Element) -> None:
        section = root.find("configuration/rsc_defaults")
        assert section is not None
        section.clear()

    return fenced.with_cib(change)


def without(name: str) -> Facts:
    made = fenced.facts()
    kept = {key: guest for key, guest in made.guests.items() if key != name}
    return made._replace(guests=kept)


def twin() -> Facts:
    made = fenced.facts()
    other = made.guests["guest2"]._replace(resource="prmtwin")
    return made._replace(guests={**made.guests, "prmtwin": other})


AUTO = HostFiles(auto_shutdown=(("/etc/libvirt/qemu.conf", "auto_shutdown_try_save", "all"),))
IGNORED = {
    **{each: {"timeout": text} for each, text in fenced.TIMEOUTS.items()},
    "stop": {"timeout": "90s", "on-fail": "block"},
}


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (fenced.there("host1", "guest2", autostart=True), ("autostart", "guest2")),
        (fenced.facts(host_files=HostFiles(libvirt_guests=True)), ("libvirt-guests", "host1")),
        (fenced.facts(host_files=AUTO), ("auto-shutdown", "host1")),
        (fenced.facts(host_files=HostFiles(lock_manager="lockd")), ("lock-manager", "host1")),
        (no_stickiness(), ("stickiness", "cluster")),
        (fenced.option("migration-limit", "0"), ("migration-limit", "cluster")),
        (fenced.guest(operations=IGNORED), ("on-fail", "guest2")),
        (twin(), ("two-resources", "guest2")),
        (without("guest2"), ("nobody-manages", "guest2")),
    ],
)
def test_each_is_found_alone(made: Facts, expected: tuple[str, str]) -> None:
    assert fenced.found(of_settings, made) == [expected]


def test_files_of_the_host_are_read(tmp_path: Path) -> None:
    conf, other = tmp_path / "qemu.conf", tmp_path / "virtqemud.conf"
    service = tmp_path / "libvirt-guests.service"
    paths = str(conf), str(other)
    assert host_files.read(paths, str(service)) == HostFiles()
    conf.write_text('#lock_manager = "x"\nlock_manager = "lockd"\nauto_shutdown_wait = 30\n')
    other.write_text('auto_shutdown_try_save = "persistent"\nauto_shutdown_poweroff = "none"\n')
    service.write_text("")
    found = (paths[1], "auto_shutdown_try_save", "persistent")
    assert host_files.read(paths, str(service)) == HostFiles(True, (found,), "lockd")
    conf.write_bytes(b"\xff")
    assert host_files.read(paths, str(service)).lock_manager == ""
