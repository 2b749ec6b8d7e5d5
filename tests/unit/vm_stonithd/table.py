# SPDX-License-Identifier: GPL-2.0-or-later
"""One machine on host1 of two hosts, told by hand what happens: for tests of single rules."""

from __future__ import annotations

from typing import TypeVar

from daemons.vm_stonithd.machine.machine import Machine
from daemons.vm_stonithd.model import actions, events
from daemons.vm_stonithd.model.events import Doubt, Outcome
from daemons.vm_stonithd.model.facts import (
    History,
    Operation,
    Request,
    Resource,
    Sender,
    Standing,
    View,
)
from daemons.vm_stonithd.model.host_report import BanReport, HostReport, Stage
from pmkvm.fencing.ban import Ban
from pmkvm.process import Life
from tests.unit.vm_stonithd.reasons import is_explained

A = TypeVar("A")

GUEST1, TARGET = "guest1", "guest2"
BOTH = frozenset({"host1", "host2"})
SENDER = Sender("uuid1", Life(10, 1))
LIFE = Life(20, 2)
WALL = 1_795_000_000.0
RUNS = History(ended=False, recorded=False, call_id=5, has_life=True)
ENDED = History(ended=True, recorded=True, call_id=9)


def view(**changes: object) -> View:
    plain = View(
        quorum=True,
        hosts=dict.fromkeys(sorted(BOTH), Standing.OK),
        partition=BOTH,
        resources={GUEST1: Resource(), TARGET: Resource()},
        bans={},
        histories={("host1", TARGET): ENDED, ("host2", TARGET): RUNS},
    )
    return plain._replace(**changes)  # type: ignore[arg-type]


def target(**fields: object) -> dict[str, Resource]:
    """The resources, with the target so."""
    return {GUEST1: Resource(), TARGET: Resource()._replace(**fields)}  # type: ignore[arg-type]


def request(number: int = 1, operation: Operation = Operation.RESET, **changes: object) -> Request:
    plain = Request(number, operation, GUEST1, "hash1", TARGET, "uuid2", 15.0, SENDER)
    return plain._replace(**changes)  # type: ignore[arg-type]


class Table:
    """The machine, the CIB it sees, the other host's words; done: all that it wanted so far."""

    def __init__(self, *, is_other_up: bool = True) -> None:
        self.now = 100.0
        self.is_other_up = is_other_up
        self.machine = Machine("host1", lambda: "b1", self.now)
        self.done: list[actions.Action] = []
        self.view = view()
        self.other = HostReport(WALL)
        self.own: HostReport | None = None
        for _ in range(8):
            self.wait(1.0)

    def tell(self, event: events.Event) -> list[actions.Action]:
        wanted = self.machine.step(event, self.now, WALL + self.now)
        self.done += wanted
        for action in wanted:
            if isinstance(action, actions.Say):
                self.own = action.report
            if isinstance(action, actions.Answer):
                assert is_explained(action.text), f"fencing.md has no row: {action.text}"
        return wanted

    def wait(self, seconds: float = 0.3) -> None:
        """Everything is read once more."""
        self.now += seconds
        self.other = self.other._replace(up=WALL + self.now)
        self.tell(events.ReportsSeen(self.reports(), self.now))
        tickets = [one.ticket for one in self.all(actions.ReadCib)]
        self.tell(events.CibSeen(self.view, max(tickets, default=0)))
        self.tell(events.Tick())

    def reports(self) -> dict[str, HostReport]:
        """What attrd shows."""
        own = {} if self.own is None else {"host1": self.own}
        return {"host2": self.other, **own} if self.is_other_up else own

    def all(self, kind: type[A]) -> list[A]:
        return [action for action in self.done if isinstance(action, kind)]

    def last(self, kind: type[A]) -> A:
        return self.all(kind)[-1]

    @property
    def report(self) -> HostReport:
        """What this host has said of itself."""
        assert self.own is not None
        return self.own

    def said(self, ban_id: str = "b1") -> BanReport:
        """What this host has said of that ban."""
        return self.report.of(ban_id)

    def answers(self) -> dict[int, str]:
        return {action.number: action.text for action in self.all(actions.Answer)}

    # --- what the world does

    def written(self, action: actions.Action, outcome: Outcome = Outcome.DONE) -> None:
        """A guarded write has ended, and if it was done the CIB shows it."""
        if outcome is Outcome.DONE:
            if isinstance(action, (actions.CreateBan, actions.SettleBan)):
                self.show(action.ban)
            elif isinstance(action, actions.RewriteBan):
                self.show(action.new)
            elif isinstance(action, actions.RemoveBan):
                self.show(None)
        self.tell(events.Written(action.ticket, outcome))  # type: ignore[union-attr]
        self.wait()

    def show(self, ban: Ban | None) -> None:
        self.view = self.view._replace(bans={} if ban is None else {ban.resource: ban})

    def look(
        self, *lives: Life, is_locked: bool = False, doubt: Doubt | None = None, known: bool = True
    ) -> None:
        ticket = self.last(actions.Look).ticket
        self.tell(events.Looked(ticket, lives, is_locked, doubt, known))
        self.wait()

    def other_says(self, stage: Stage, ban_id: str = "b1", **changes: object) -> None:
        saw = BOTH if stage is Stage.DEAD else frozenset[str]()
        ban_report = BanReport(stage, saw)._replace(**changes)  # type: ignore[arg-type]
        self.other = self.other._replace(bans={ban_id: ban_report})
        self.wait()

    def ask(
        self, number: int = 1, operation: Operation = Operation.RESET, **changes: object
    ) -> None:
        """A request has come, and everything is read once more."""
        self.tell(events.Arrived(request(number, operation, **changes)))
        self.wait()

    def banned(self, operation: Operation = Operation.RESET, **changes: object) -> Ban:
        """A request has come, and its ban is there."""
        self.ask(1, operation, **changes)
        self.written(self.last(actions.CreateBan))
        return self.last(actions.CreateBan).ban

    def other_ban(self, operation: str = "reset", coordinator: str = "host2", **more: str) -> Ban:
        """Somebody else's, or one of before a restart."""
        fields = {"requester": "guest3", "request": "hash3", "uuid": "uuid2", **more}
        end = int(WALL + self.now) + 60
        ban = Ban(TARGET, operation, "b2", coordinator=coordinator, end=end, **fields)
        self.show(ban)
        self.wait()
        return ban

    def proven(self, ban_id: str = "b1") -> None:
        self.look()
        self.other_says(Stage.BARRED, ban_id)
        self.look()
        self.other_says(Stage.DEAD, ban_id)

    def becomes(self, **changes: object) -> None:
        """The cluster is so from now on."""
        self.view = self.view._replace(**changes)  # type: ignore[arg-type]
        self.wait()

    def ended(self) -> None:
        """Pacemaker has recorded the stop."""
        self.becomes(histories={("host1", TARGET): ENDED, ("host2", TARGET): ENDED})
