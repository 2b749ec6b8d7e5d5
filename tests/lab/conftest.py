# SPDX-License-Identifier: GPL-2.0-or-later
"""pytest's fixtures for the lab: one lab for a run, a bare cluster for each test.

A lab that cannot run makes its tests fail with the reason; nothing is ever skipped.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.lab import evidence, sample, state
from tests.lab.cluster.cib import RSC_DEFAULTS
from tests.lab.errors import LabError
from tests.lab.guests.guests import Guest, Guests
from tests.lab.guests.pair import Pair
from tests.lab.hosts.install import FLAVOURS
from tests.lab.lab import Lab, Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.cluster.cluster import Cluster
    from tests.lab.hosts.machine import Machine

HERE = Path(__file__).parent
TRUTH = ("situation", "action", "ocf:heartbeat:VirtualDomain", "ocf:extra:VirtualDomain")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lab")
    group.addoption("--lab-root", default="/", help="root of the hosts (default: this machine's)")
    group.addoption("--lab-hosts", type=int, default=2, help="number of hosts (default: 2)")
    group.addoption("--lab-rsc-defaults", choices=list(RSC_DEFAULTS), default="pacemaker")
    text = "how the hosts come by what is tested (default: RPMs, on hosts that have all shells)"
    group.addoption("--lab-flavour", choices=list(FLAVOURS), default="everything", help=text)
    text = "the packages to install (default: those in build/rpm or build/deb)"
    group.addoption("--lab-packages", default="", metavar="DIR", help=text)
    text = "everything as often and as long as it is meant to be; without it a sample"
    group.addoption("--lab-full", action="store_true", help=text)
    text = "which part of what an everyday run takes parts of (default: by the commit)"
    group.addoption("--lab-seed", type=int, default=None, help=text)
    text = "of the tables of faults and of scarcity only what has not held yet, by their records"
    group.addoption("--lab-resume", action="store_true", help=text)
    text = "how often the guests' cluster splits with each of its configurations (default: 1)"
    group.addoption("--lab-cycles", type=int, default=1, metavar="N", help=text)
    group.addoption("--lab-reuse", action="store_true", help="use a lab that is up, leave it up")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "lab: needs root and the lab of real hosts and guests")
    config.addinivalue_line("markers", sample.MARKER)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.lab)
    is_whole = config.getoption("--lab-full") or config.option.keyword or _is_named(config)
    if not is_whole:
        others = sample.left_out(items, sample.seed(config))
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A test that failed shows the cluster as it was then."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    found = getattr(item, "funcargs", {}).get("lab")
    if report.when == "call" and report.failed and isinstance(found, Lab):
        report.sections.append(("lab", evidence.collect(found)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have recorded, as tables: fences, and what two agents say of a guest."""
    fences = list(_recorded(terminalreporter, "fence"))
    if fences:
        terminalreporter.section(f"fences (--lab-seed {sample.seed(terminalreporter.config)})")
    for outcome, (name, answer, took_s) in fences:
        terminalreporter.line(f"{outcome}  {took_s:6.2f} s  {name}: {answer[:200]}")
    rows = list(_recorded(terminalreporter, "truth"))
    if rows:
        terminalreporter.section("truth")
        terminalreporter.line(f"| {' | '.join(TRUTH)} |\n|{'---|' * len(TRUTH)}")
    for _outcome, row in rows:
        terminalreporter.line(row)


def _recorded(reporter: pytest.TerminalReporter, wanted: str) -> Iterator[tuple[str, Any]]:
    for outcome in ("passed", "failed"):
        for report in reporter.getreports(outcome):
            yield from (
                (outcome, value) for name, value in report.user_properties if name == wanted
            )


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> Iterator[Lab]:
    """The lab, up and with what is tested installed; as the tests before left it."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root")
    reuse = bool(pytestconfig.getoption("--lab-reuse"))
    with state.exclusive():
        made = state.load(state.directory()) if reuse else None
        found = Lab(made) if made is not None else Lab.up(_plan(pytestconfig))
        packages, flavour = map(pytestconfig.getoption, ("--lab-packages", "--lab-flavour"))
        found.install(str(packages), str(flavour))
        yield found
        if not reuse:
            found.down()


@pytest.fixture(scope="session")
def is_full(pytestconfig: pytest.Config) -> bool:
    """Whether to repeat things to the full, or as often as an everyday run has time for."""
    return bool(pytestconfig.getoption("--lab-full"))


@pytest.fixture
def clean_lab(lab: Lab) -> Lab:
    """The lab, every host well, nothing but fencing configured, no guests, no consoles."""
    lab.clean()
    return lab


@pytest.fixture
def cluster(clean_lab: Lab) -> Cluster:
    """The bare cluster of clean_lab."""
    return clean_lab.cluster


@pytest.fixture
def guests(clean_lab: Lab) -> Guests:
    """The guests of clean_lab: none yet."""
    return clean_lab.guests


@pytest.fixture
def host1(clean_lab: Lab) -> Machine:
    return clean_lab.host("host1")


@pytest.fixture
def host2(clean_lab: Lab) -> Machine:
    return clean_lab.host("host2")


@pytest.fixture
def new_guest(guests: Guests) -> Callable[..., Guest]:
    """Makes guests: new_guest('g1', power='deaf') defines one on every host, and gives it."""

    def make(name: str, **fields: Any) -> Guest:
        guest = Guest(name)._replace(**fields)
        guests.define(guest)
        return guest

    return make


@pytest.fixture(scope="session")
def pairs(lab: Lab) -> list[Pair]:
    """The pair of guests that tests share, once it is made, and until somebody cleans the lab."""
    return lab.shared


@pytest.fixture
def pair(lab: Lab, pairs: list[Pair], request: pytest.FixtureRequest) -> Iterator[Pair]:
    """guest1 and guest2, in order and with no fence left; made anew after a test that failed."""
    arguments = getattr(request.module, "PAIR", {})
    if not pairs or not pairs[0].is_made_by(arguments):
        lab.clean()
        pairs.append(Pair.make(lab, **arguments))
    # A test that breaks a host or a daemon leaves them well, and leaves the failure to be read.
    lab.cluster.forget_failures()
    lab.fencing.repair()
    failed_before = request.session.testsfailed
    yield pairs[0]
    if request.session.testsfailed > failed_before:
        pairs.clear()


def _is_named(config: pytest.Config) -> bool:
    """Whether somebody asks for single tests, or for a module."""
    return any(argument.partition("::")[0].endswith(".py") for argument in config.args)


def _plan(config: pytest.Config) -> Plan:
    return Plan(
        host_count=int(config.getoption("--lab-hosts")),
        root=str(config.getoption("--lab-root")),
        rsc_defaults=str(config.getoption("--lab-rsc-defaults")),
    )
