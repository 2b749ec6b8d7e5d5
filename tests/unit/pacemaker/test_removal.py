# SPDX-License-Identifier: GPL-2.0-or-later
"""A package with an agent stays while the cluster on this host names that, or may name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pmkvm.pacemaker import removal
from pmkvm.pacemaker.errors import ExitCode
from tests.unit.pacemaker.script import Script, Step

if TYPE_CHECKING:
    from collections.abc import Callable

AGENT, DAEMON, DEVICE = "ocf:extra:VirtualDomain", "/usr/sbin/vm-stonithd", "stonith:external/x"
QUERY = ("cibadmin", "--query", "--local")
RESOURCES = """\
<resources>
  <group id="g"><primitive id="one" class="ocf" provider="extra" type="VirtualDomain"/></group>
  <template id="pattern" class="ocf" provider="extra" type="VirtualDomain"/>
  <primitive id="two" template="pattern"/>
  <clone id="c"><primitive id="daemon" class="ocf" provider="extra" type="vm-anything">
    <instance_attributes id="a">
      <nvpair id="b" name="binfile" value="/usr/sbin/vm-stonithd"/>
    </instance_attributes>
  </primitive></clone>
  <primitive id="device" class="stonith" type="external/x"/>
  <primitive id="other" class="ocf" provider="extras" type="VirtualDomain"/>
</resources>
"""


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ((AGENT,), [f"one ({AGENT})", f"pattern ({AGENT})"]),
        (
            ("ocf:extra:",),
            [f"one ({AGENT})", f"pattern ({AGENT})", "daemon (ocf:extra:vm-anything)"],
        ),
        ((DAEMON, DEVICE), [f"daemon ({DAEMON})", f"device ({DEVICE})"]),
        (("ocf:extra:vm-client", "/usr/sbin/vm", "ocf:extra"), []),
    ],
)
def test_what_a_cluster_names(
    play: Callable[..., Script],
    capsys: pytest.CaptureFixture[str],
    held: tuple[str, ...],
    expected: list[str],
) -> None:
    for verb, code in (("refuse", int(bool(expected))), ("warn", 0)):
        play(Step(QUERY, out=RESOURCES))
        assert removal.main([verb, "package", *held]) == code
        said = capsys.readouterr().err
        assert bool(said) == bool(expected)
        assert all(one in said for one in expected)


def test_of_many_some_are_shown(
    play: Callable[..., Script], capsys: pytest.CaptureFixture[str]
) -> None:
    one = "<primitive id='r{}' class='ocf' provider='extra' type='VirtualDomain'/>"
    play(Step(QUERY, out=f"<resources>{''.join(map(one.format, range(100)))}</resources>"))
    assert removal.main(["refuse", "package", AGENT]) == 1
    said = capsys.readouterr().err
    assert f"r0 ({AGENT}), " in said
    assert ", and 95 more" in said
    assert len(said) < 1000


@pytest.mark.parametrize(
    ("rc", "out"), [(ExitCode.DISCONNECT, ""), (ExitCode.NOSUCH, ""), (0, "<resources/>")]
)
def test_it_goes_where_nothing_can_call_an_agent(
    play: Callable[..., Script], capsys: pytest.CaptureFixture[str], rc: int, out: str
) -> None:
    for verb in ("refuse", "warn"):
        play(Step(QUERY, rc, out=out))
        assert removal.main([verb, "package", AGENT]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("rc", "out"), [(ExitCode.TIMEOUT, ""), (1, ""), (0, "<resources")])
def test_unknown_is_never_unused(
    play: Callable[..., Script], capsys: pytest.CaptureFixture[str], rc: int, out: str
) -> None:
    play(Step(QUERY, rc, out=out))
    assert removal.main(["refuse", "package", AGENT]) == 1
    assert "can't be told" in capsys.readouterr().err
    play(Step(QUERY, rc, out=out))
    assert removal.main(["warn", "package", AGENT]) == 0
