# SPDX-License-Identifier: GPL-2.0-or-later
"""The spec as the rpmbuild of each distribution reads it, by the macros that it has.

`python3 -m tests.tools.test_spec` writes the expected text anew.
"""

from __future__ import annotations

import re
import shutil

import pytest

from pmkvm.run import run
from tests import tree

SPEC = tree.ROOT / "rpm" / "pm_kvm_tools.spec"
GOLDEN = tree.ROOT / "tests" / "tools" / "pm_kvm_tools.spec.golden"

COMMON = {"_libdir": "/usr/lib64", "_sbindir": "/usr/sbin", "__python3": "/usr/bin/python3"}
SYSTEMS = {
    "el9": {**COMMON, "rhel": "9", "dist": ".el9"},
    "el10": {**COMMON, "rhel": "10", "dist": ".el10"},
    # Where /usr/sbin is a link.
    "fc42": {**COMMON, "fedora": "42", "dist": ".fc42", "_sbindir": "/usr/bin"},
    "suse": {**COMMON, "suse_version": "1600", "dist": "%{nil}"},
}

pytestmark = pytest.mark.skipif(shutil.which("rpmspec") is None, reason="needs rpmspec")


def expanded(macros: dict[str, str]) -> str:
    """Up to the changelog, without what depends on this machine and without empty lines; the name
    of the distribution as DIST."""
    defines = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    done = run(["rpmspec", "-P", *defines, str(SPEC)], timeout_s=60)
    assert done.rc == 0, done.err
    dist = macros["dist"].replace("%{nil}", "")
    text = done.out.partition("\n%changelog")[0]
    # Before rpm 4.20 a directory in it, since then itself.
    text = re.sub(r"/[^\s\"=]*?BUILDROOT(/pm_kvm_tools-suite-[^\s\"$/]*)?", "BUILDROOT", text)
    text = re.sub(r"\b2\.0\.0-1" + re.escape(dist) + r"(?=[\"/\s])", "2.0.0-1DIST", text)
    text = re.sub(r"(Release: +|RELEASE=)1" + re.escape(dist) + r"\b", r"\g<1>1DIST", text)
    text = re.sub(r"cpython-\d+", "cpython-3X", text)
    return re.sub(r"\n{2,}", "\n", text).strip() + "\n"


@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_each_distribution_reads_the_same_in_it(system: str) -> None:
    assert expanded(SYSTEMS[system]) == GOLDEN.read_text(encoding="utf-8")


def test_nothing_in_it_was_left_unexpanded() -> None:
    text = GOLDEN.read_text(encoding="utf-8")
    assert re.findall(r"%\{[^}]*\}", text) == []


if __name__ == "__main__":
    GOLDEN.write_text(expanded(SYSTEMS["el9"]), encoding="utf-8")
