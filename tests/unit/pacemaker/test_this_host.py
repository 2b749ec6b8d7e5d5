# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a guest's domain is defined on this host: Pacemaker is asked when it has to be."""

from __future__ import annotations

from typing import Callable

import pytest

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.pacemaker.parameter import Parameter
from pmkvm.pacemaker.this_host import ThisHost
from tests.unit.pacemaker.script import Script, Step

NAME = Step(("crm_node", "--name"), out="host1\n")
ASK = ("crm_resource", "--digests", "--resource", "g", "--node", "host1", "--output-as=xml")
# crm_resource of 2.1.5 and 3.0.0 says so.
ANSWER = """<pacemaker-result api-version="2.25" request="crm_resource --digests">
  <digests resource="g" node="host1" task="start" interval="0ms">
    <digest type="all" hash="13397d2b65ea767b26a1799f381fa6ee">
      <parameters {}/>
    </digest>
    <digest type="nonprivate" hash="13397d2b65ea767b26a1799f381fa6ee">
      <parameters config="/other.xml"/>
    </digest>
  </digests>
  <status code="0" message="OK"/>
</pacemaker-result>"""
UNCLEAR = Parameter(("/a.xml", "/b.xml"), "a rule decides")


def answer(path: str) -> Step:
    return Step(ASK, out=ANSWER.format(f'config="{path}" CRM_meta_timeout="20000"'))


def test_a_plain_config_costs_no_question(play: Callable[..., Script]) -> None:
    play()
    host = ThisHost()
    assert host.definition_path("g", Parameter(("/a.xml",)), Deadline(5)) == "/a.xml"
    assert host.definition_path("g", Parameter(), Deadline(5)) == ""


def test_else_pacemaker_says_what_it_gives_to_the_agent_here(play: Callable[..., Script]) -> None:
    script = play(NAME, answer("/a.xml"), answer("/b.xml"))
    host = ThisHost()
    # Nothing that it said is kept but this host's name.
    assert host.definition_path("g", UNCLEAR, Deadline(5)) == "/a.xml"
    assert host.definition_path("g", UNCLEAR, Deadline(5)) == "/b.xml"
    assert script.left == []


def test_a_guest_may_have_none_here(play: Callable[..., Script]) -> None:
    play(NAME, Step(ASK, out=ANSWER.format("")))
    assert ThisHost().definition_path("g", UNCLEAR, Deadline(5)) == ""


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Step(ASK, 105, err="crm_resource: Resource 'g' not found"), "Resource 'g' not found"),
        (Step(ASK, 102), "does not run on this host"),
        (Step(ASK, out="no XML"), "is no XML"),
        (Step(ASK, out="<pacemaker-result/>"), "has no parameters"),
    ],
)
def test_without_an_answer_none_is_taken(
    play: Callable[..., Script], step: Step, reason: str
) -> None:
    play(NAME, step)
    with pytest.raises(HaError, match=reason) as caught:
        ThisHost().definition_path("g", UNCLEAR, Deadline(5))
    begin = "the definition of g can't be told: a rule decides, and Pacemaker does not say: "
    assert str(caught.value).startswith(begin)


def test_what_only_an_operation_is_given_is_not_asked_for(play: Callable[..., Script]) -> None:
    play()
    config = Parameter(("/a.xml", "/b.xml"), "", "start may be given another config")
    with pytest.raises(HaError, match="g can't be told: start may be given another config"):
        ThisHost().definition_path("g", config, Deadline(5))


@pytest.mark.parametrize("config", [Parameter(("lrm://",)), UNCLEAR])
def test_a_secret_is_no_path(play: Callable[..., Script], config: Parameter) -> None:
    play(NAME, answer("lrm://"))
    with pytest.raises(HaError, match="g can't be told: its config is a secret"):
        ThisHost().definition_path("g", config, Deadline(5))
