# SPDX-License-Identifier: GPL-2.0-or-later
"""Appendix A of the slides in doc/stonith-helper.md: it is the printed text with the changes that
are named, and crm and pcs take it. What it does, the lab tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from tests import tree
from tests.lab.slides import appendix_a
from tests.tools.guest import needs_root

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tools.guest import Guest

pytestmark = needs_root


def documented(begins: str) -> str:
    page = (tree.ROOT / "doc" / "stonith-helper.md").read_text(encoding="utf-8")
    section = page.partition("## Appendix A of the slides\n")[2].partition("\n## ")[0]
    (found,) = [one for one in section.split("```\n")[1::2] if one.startswith(begins)]
    return found


def levels(cib: Path) -> list[tuple[str | None, str | None, str | None]]:
    found = ElementTree.parse(cib).iter("fencing-level")
    return sorted((one.get("target"), one.get("index"), one.get("devices")) for one in found)


def expected(*devices: str) -> list[tuple[str, str, str]]:
    return [
        (host, str(index), f"{device}-{host}")
        for host in ("host1", "host2")
        for index, device in enumerate(devices, 1)
    ]


def empty(guest: Guest, tmp_path: Path) -> Path:
    cib = tmp_path / "cib.xml"
    cib.write_text(guest.run("cibadmin", "--empty").stdout, encoding="utf-8")
    return cib


def test_the_page_has_what_the_lab_loads() -> None:
    assert documented("primitive helper-host1") == appendix_a.today(appendix_a.EXAMPLE)


def test_crm_loads_it(guest: Guest, tmp_path: Path) -> None:
    cib, text = empty(guest, tmp_path), tmp_path / "text"
    text.write_text(documented("primitive helper-host1"), encoding="utf-8")
    argv = ("crm", "configure", "load", "update", str(text))
    done = guest.run(*argv, CIB_file=str(cib), HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert levels(cib) == expected("helper", "ipmi", "meatware")


def test_pcs_takes_its_own(guest: Guest, tmp_path: Path) -> None:
    cib, script = empty(guest, tmp_path), tmp_path / "script"
    lines = documented("pcs cluster cib appendix-a.xml").splitlines(keepends=True)
    # There is no cluster whose configuration could be had, or who knows the nodes of the levels.
    text = "".join(line for line in lines if not line.startswith("pcs cluster"))
    text = text.replace("appendix-a.xml", str(cib)).replace("level add", "level --force add")
    script.write_text(f"set -e\n{text}", encoding="utf-8")
    done = guest.run("sh", str(script))
    assert done.returncode == 0, done.stdout + done.stderr
    assert levels(cib) == expected("helper", "ipmi")
