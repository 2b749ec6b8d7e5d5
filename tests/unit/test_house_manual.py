# SPDX-License-Identifier: GPL-2.0-or-later
"""Every installed program has a manual page, and the page has its options: all, and no others.
Pages say what the programs' tables say.

vm-ctl's commands are looked at more closely beside it; what groff thinks is asked in tests/tools.
"""

from __future__ import annotations

import importlib
import re
import runpy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import reference, tree
from tests.reference import PAGES, Page

if TYPE_CHECKING:
    from collections.abc import Callable


# rpm/ is no package.
CONTENTS = tree.ROOT / "rpm" / "contents.py"
MAN = tree.ROOT / "doc" / "man"

OPTION = re.compile(r"(?<![\w/-])--?[A-Za-z?][a-z-]*")
KEY_VERBS = ("create", "list", "rotate", "token")
HELPED: dict[str, tuple[str, tuple[str, ...]]] = {
    "diskd": ("daemons.diskd.main", ()),
    "ifcheckd": ("daemons.ifcheckd.main", ()),
    "vm-adopt": ("agents.vm_adopt.main", ()),
    "vm-check": ("check.vm_check.main", ()),
    "vm-client": ("daemons.vm_client.main", ()),
    "vm-connect": ("daemons.vm_connect", ()),
    "vm-connectd": ("daemons.vm_connectd.main", ()),
    "vm-log": ("check.vm_log.main", ()),
    "vm-managerd": ("daemons.vm_managerd.main", ()),
    "vm-stonith-key": ("stonith.vm_stonith_key.main", KEY_VERBS),
    "vm-stonithd": ("daemons.vm_stonithd.main", ()),
}


def programs() -> set[str]:
    """The paths that the table of `make install` names."""
    return {program.path for program in runpy.run_path(str(CONTENTS))["PROGRAMS"]}


def installed() -> dict[str, str]:
    """The other files that it names: where each goes, and what it is here."""
    return {file.path: file.source for file in runpy.run_path(str(CONTENTS))["FILES"]}


def page_of(program: str) -> Path:
    path = Path(program)
    if path.parent.parent.name == "resource.d":
        return MAN / f"ocf_{path.parent.name}_{path.name}.7"
    return MAN / f"{path.name}.8"


def options_of_page(text: str) -> set[str]:
    """What stands in the tags of OPTIONS."""
    section = text.partition(".SH OPTIONS\n")[2].partition("\n.SH ")[0].replace("\\-", "-")
    tags = re.findall(r"^\.TP\n(\..*)$", re.sub(r"\\f[BIRP]", "", section), re.MULTILINE)
    return {option for tag in tags for option in OPTION.findall(tag)}


def options_of_help(text: str) -> set[str]:
    """What stands in the left column; argparse writes it by its own rules in each Python."""
    lines = re.findall(r"^ +(-.*?)(?:  .*)?$", text, re.MULTILINE)
    return {option for line in lines for option in OPTION.findall(line)}


def printed(
    main: Callable[[list[str]], object], argv: list[str], capsys: pytest.CaptureFixture[str]
) -> str:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_table_of_programs_is_read() -> None:
    assert "/usr/sbin/vm-ctl" in programs()
    assert len(programs()) >= len(HELPED) + 4


@pytest.mark.parametrize("program", sorted(programs()))
def test_every_program_has_a_page_that_is_its_own(program: str) -> None:
    page = page_of(program)
    assert page.is_file(), f"{program} has no {page.name}"
    text = page.read_text(encoding="utf-8").replace("\\-", "-")
    assert f".TH {page.stem.upper()} {page.suffix[1:]} " in text
    assert f".SH NAME\n{page.stem} - " in text


def test_every_page_is_somebodys() -> None:
    pages = {page_of(program).name for program in programs()}
    assert {page.name for page in MAN.iterdir()} == pages | {"vm-ctl.conf.5"}


@pytest.mark.parametrize("name", sorted(HELPED))
def test_page_and_help_have_the_same_options(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Wide enough that no option is broken.
    monkeypatch.setenv("COLUMNS", "200")
    module, verbs = HELPED[name]
    main = importlib.import_module(module).main
    helped = [printed(main, [*verb, "--help"], capsys) for verb in [[], *([v] for v in verbs)]]
    expected = set().union(*(options_of_help(text) for text in helped))
    assert "--help" in expected
    page = MAN / f"{name}.8"
    assert options_of_page(page.read_text(encoding="utf-8")) == expected


@pytest.mark.parametrize("package", ["vm_stonith", "stonith_helper"])
def test_a_fence_agent_says_the_same_in_page_and_help(package: str) -> None:
    from stonith.plugin import fence_texts

    texts = importlib.import_module(f"stonith.{package}.texts").TEXTS
    found = options_of_page(fence_texts.manpage(texts))
    assert found == options_of_help(fence_texts.usage(texts))
    assert {"-o", "--plug", "--debug-file"} < found


def test_a_missing_and_a_superfluous_option_are_seen() -> None:
    page = (
        '.SH OPTIONS\n.TP\n.BR \\-a ", " \\-\\-all\nText of \\-x.\n'
        ".TP\n.BI \\-\\-no\\-wait\nText.\n.SH X\n-y\n"
    )
    assert options_of_page(page) == {"-a", "--all", "--no-wait"}
    helped = "usage: x [-y]\n\noptions:\n  -a, --all      with -z\n  --no-wait S  text\n"
    assert options_of_help(helped) == {"-a", "--all", "--no-wait"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.name)
def test_a_page_is_as_its_table_is(page: Page) -> None:
    text = page.path.read_text(encoding="utf-8")
    assert text == reference.renewed(page, text), "run python3 -m tests.reference"


def test_a_page_that_is_behind_is_found() -> None:
    page = next(page for page in PAGES if page.path.name == "virtualdomain.md")
    text = page.path.read_text(encoding="utf-8")
    behind = text.replace("- `shutdown_mode` (string", "- `shutdown_way` (string")
    assert behind != text
    assert reference.renewed(page, behind) == text


def test_a_page_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        reference.renewed(PAGES[0], "a page\n")
