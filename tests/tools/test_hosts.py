# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-ctl's survey of a real libvirt, its test driver."""

from __future__ import annotations

import pytest

from pmkvm.virt import definition, survey
from pmkvm.virt.connection import Connection, LibvirtError
from pmkvm.virt.job import job_of

URI = "test:///default"


def test_the_test_drivers_domain_is_defined_and_runs() -> None:
    found = survey.ask_libvirt(URI, ["test", "nosuch"])
    assert list(found) == ["test"]
    assert found["test"][:2] == (True, False)
    known = found["test"].definition()
    assert known.findtext("uuid") == "6695eb01-f6a4-8304-79aa-97f2502e193f"
    assert definition.place_of_difference(known, found["test"].definition()) is None


def test_an_answer_that_does_not_come_is_an_error() -> None:
    with Connection(URI) as connection:
        (domain,) = connection.domains()
        with pytest.raises(LibvirtError, match="not supported"):
            job_of(domain)


def test_a_libvirt_that_is_not_there_is_silent_with_a_reason() -> None:
    uri = "qemu+unix:///system?socket=/nonexistent/socket"
    found = survey.survey("here", {"here": uri}, ["test"])
    assert found.hosts == {}
    assert "/nonexistent/socket" in found.silent["here"]
