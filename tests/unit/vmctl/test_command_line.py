# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest

from vmctl import command_line, commands, main
from vmctl.command_line import UsageError, parse

TWO = ("guest1", "guest2")


@pytest.mark.parametrize(
    ("typed", "domains"),
    [
        # The slides' own commands, as the slides print them.
        ("resource add guest1, guest2 -a hostA", TWO),
        ("resource start guest1, guest2", TWO),
        ("resource stop guest2", ("guest2",)),
        ("resource delete guest2", ("guest2",)),
        ("resource move guest2 -n hostB", ("guest2",)),
        # Blanks and commas in all places, several words, doubles, any order.
        ("resource start guest1,guest2", TWO),
        ("resource start guest1 ,guest2", TWO),
        ("resource start guest1 , guest2", TWO),
        ("resource start guest2 guest1", TWO),
        ("resource start ,guest2,,guest1,", TWO),
        ("resource start guest2,guest1,guest2 guest1", TWO),
        ("resource add -a hostA guest2, guest1", TWO),
        ("resource add guest1, -a hostA guest2", TWO),
        ("resource list", ()),
        ("resource list guest1", ("guest1",)),
        ("resource list -n hostA", ()),
        ("resource unmove guest1", ("guest1",)),
        ("location move guest2", ("guest2",)),
        ("location move -b hostA", ()),
    ],
)
def test_domains_are_understood(typed: str, domains: tuple[str, ...]) -> None:
    assert parse(typed.split(" ")).domains == domains


def test_a_quoted_list_is_one_argument() -> None:
    assert parse(["resource", "start", "guest2, guest1"]).domains == TWO
    assert parse(["resource", "start", " my guest , other"]).domains == ("my guest", "other")


def test_options_have_their_values() -> None:
    typed = "resource add g -a hostA -m on --running --dry-run --format pcs --config /c"
    request = parse(typed.split())
    assert (request.preferred, request.migrate, request.config) == ("hostA", "on", "/c")
    assert request.running
    assert request.dry_run
    assert request.format == "pcs"
    assert not request.no_wait
    # A value may be attached, as getopts takes it.
    request = parse(["resource", "add", "g", "-ahostA", "-moff"])
    assert (request.preferred, request.migrate) == ("hostA", "off")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "resource",
        "resource nosuch g",
        "guest add g",
        "resource add",
        "resource add guest1",
        "resource add -a hostA",
        "resource add , -a hostA",
        "resource add g -a",
        "resource add g -a -m on",
        "resource add g -a hostA -a hostB",
        "resource add g -a hostA -m maybe",
        "resource add g -a hostA -n hostB",
        "resource add g -a hostA -x",
        "resource add g -a hostA --running --running",
        "resource start",
        "resource start g -n hostA",
        "resource delete g --no-wait",
        "resource move",
        "resource move guest1 hostB",
        "resource move guest1,guest2",
        "resource move guest1 guest1",
        "resource move guest1 -n",
        "resource list guest1 guest2",
        "resource unmove",
        "resource unmove guest1 -n hostA",
        "location move",
        "location move guest1 guest2",
        "location move guest1 -b hostA",
        "location move -n hostA",
        "location list",
        "resource add g -a hostA --dry",
        "resource add g -a hostA --format yaml",
        "resource list --dry-run",
        "resource start g --format crm",
        "resource list guest1 -n hostA",
    ],
)
def test_anything_else_is_refused(typed: str) -> None:
    with pytest.raises(UsageError):
        parse(typed.split())


def test_an_empty_value_is_refused() -> None:
    with pytest.raises(UsageError):
        parse(["resource", "add", "g", "-a", ""])


def test_usage_goes_to_stderr_and_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["resource", "move", "guest1", "hostB"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(
        "vm-ctl: resource move takes one domain, not guest1 hostB\nusage: vm-ctl resource move "
    )
    assert main.main([]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"vm-ctl: no such command: nothing given\n{command_line.usage()}"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_no_failure(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([option]) == 0
    assert capsys.readouterr().out == command_line.usage()


@pytest.mark.parametrize("command", command_line.VERBS)
def test_each_verb_has_help_with_an_example_that_is_a_command(
    command: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main([*command, "--help"]) == 0
    said = capsys.readouterr().out
    assert all(option in said for option in command_line.VERBS[command].options)
    example = said.rpartition("Example: vm-ctl ")[2]
    assert parse(example.split())[:2] == command


def test_each_verb_is_carried_out() -> None:
    assert set(commands.VERBS) == set(command_line.VERBS)


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("vm-ctl 2.")
