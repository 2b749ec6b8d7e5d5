# SPDX-License-Identifier: GPL-2.0-or-later
"""Each line of the pages doc/install-*.md is typed in the lab, or is marked as untried.

tests/lab/cases/test_install_page.py types the lines of the page for Debian that have no mark.
"""

from __future__ import annotations

import re

import pytest

from tests.lab import install_pages
from tests.lab.install_pages import DEBIAN, DONE, NOT_HAD, OTHERS, Line

# Of the other pages, typed by tests/tools/test_repository.py: dnf and zypper over stand-ins for the
# systems.
BY_REPOSITORY = (
    "hosts# tar -xzf pm_kvm_tools-2.0.0.repo.tar.gz ",
    *(
        f"{whom}# dnf -c /tmp/pm_kvm_tools-2.0.0.repo/pacemaker.repo {verb} "
        for whom in ("hosts", "guests")
        for verb in ("install", "upgrade")
    ),
    "hosts# dnf remove pm_kvm_tools ",
    "hosts# zypper addrepo --no-gpgcheck /tmp/pm_kvm_tools-2.0.0.repo ",
    "hosts# zypper removerepo pm_kvm_tools",
    *(f"hosts# zypper {verb} pm_kvm_tools" for verb in ("install", "update")),
    "hosts# zypper remove --clean-deps pm_kvm_tools ",
)

ALL = [
    Line("host1", "one"),
    Line("hosts", "two \\\n  more", True),
    Line("host2", "cat >a <<END\nb\nEND"),
]


def walked() -> set[str]:
    return {str(line) for line in install_pages.typed()}


def test_a_page_is_read_as_a_person_reads_it() -> None:
    text = (
        "# Page\n\n```\nhost1# one\nhosts# two \\\n  more    # untried; why\n```\n\n"
        "```xml\nhost1# no line\n```\n\n```\nhost2# cat >a <<END\nb\nEND\n```\n"
    )
    assert install_pages.lines(text) == ALL


def test_a_line_of_debian_is_marked_exactly_if_the_lab_can_not_type_it() -> None:
    lines = install_pages.lines(install_pages.page(DEBIAN))
    assert len(lines) > 25
    assert [str(line) for line in lines if line.is_untried != line.begins(NOT_HAD)] == []


def test_each_reason_is_that_of_a_line() -> None:
    lines = install_pages.lines(install_pages.page(DEBIAN))
    for table in (DONE, NOT_HAD):
        for beginning in table:
            assert any(line.begins({beginning: ""}) for line in lines), beginning


def test_what_the_page_leaves_to_its_reader_is_in_it() -> None:
    text = "\n".join(line.text for line in install_pages.typed())
    assert [one.pattern for one in install_pages.CHANGES if not re.search(one.pattern, text)] == []


@pytest.mark.parametrize("name", OTHERS)
def test_a_line_of_the_other_pages_is_marked_exactly_if_nobody_typed_it(name: str) -> None:
    lines = install_pages.lines(install_pages.page(name))
    assert len(lines) > 10
    for line in lines:
        is_tried = str(line) in walked() or str(line).startswith(BY_REPOSITORY)
        assert line.is_untried != is_tried, line
