# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make check` runs: stages, each a make target, with their times and a table at the end.

It ends with pytest's own closing line of the lab, by which a reader of the output knows what ran.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "check"

# One table of versions: the Makefile's unit target runs these too.
# The oldest and the newest run each time, the others in turn: see in_turn().
ENDS, BETWEEN = ("3.9", "3.13"), ("3.10", "3.11", "3.12")
UNIT = tuple(f"unit-{version}" for version in (*ENDS, *BETWEEN))
# With the Python that the fuzzer is pinned for, so many seconds each.
FUZZ = ("fuzz-frames", "fuzz-router", "fuzz-tokens", "fuzz-cluster")
FUZZ_PYTHON, FUZZ_S = "3.11", "20"

# Nothing else runs beside the lab: it boots guests on software emulation and measures time.
QUICK = ("lint", "types", "tools", *(f"unit-{version}" for version in ENDS), *FUZZ, "rpm")
ALONE = ("lab",)

# On the two cores of the project's machines: a unit stage waits for four fifths of its time.
AT_A_TIME = 6

PASSED, FAILED, MISSING = "passed", "FAILED", "MISSING"


class Outcome(NamedTuple):
    """How a stage ended."""

    stage: str
    verdict: str
    seconds: float
    closing: str


def run_stage(stage: str, *, live: bool) -> Outcome:
    """Run one target; its output goes to build/check, and to the terminal too if live."""
    python = FUZZ_PYTHON if stage in FUZZ else stage.partition("-")[2]
    if stage in (*UNIT, *FUZZ) and not has_python(python):
        return Outcome(stage, MISSING, 0.0, "this Python is not on the machine")
    # A make that this make started must not look for the first one's job server.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    environment.pop("MFLAGS", None)
    environment.setdefault("FUZZ_S", FUZZ_S)
    started = time.monotonic()
    closing = ""
    with (
        open(LOGS / f"{stage}.log", "w", encoding="utf-8") as log,
        subprocess.Popen(
            ["make", "--no-print-directory", stage],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as child,
    ):
        assert child.stdout is not None
        for line in child.stdout:
            log.write(line)
            if line.strip() and not line.startswith("make: "):
                closing = line.strip()
            if live:
                print(line, end="", flush=True)
    verdict = PASSED if child.returncode == 0 else FAILED
    return Outcome(stage, verdict, time.monotonic() - started, closing)


def in_turn(commit: str) -> str:
    """The stage of one of the Pythons between the ends, the same for one commit. Pure.

    commit: hexadecimal digits; without any, as outside a checkout, the first one's.
    """
    return f"unit-{BETWEEN[int(commit or '0', 16) % len(BETWEEN)]}"


def head() -> str:
    argv = ["git", "-C", str(ROOT), "rev-parse", "--short=8", "HEAD"]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def has_python(version: str) -> bool:
    finder = [str(ROOT / ".ci" / "python"), version]
    return subprocess.run(finder, stdout=subprocess.DEVNULL, check=False).returncode == 0


def run_quick(stage: str) -> Outcome:
    """A stage that runs beside another: silent until it ends, then in a line, or whole if bad."""
    outcome = run_stage(stage, live=False)
    text = f"== {stage}: {outcome.verdict}, {outcome.seconds:.1f} s: {outcome.closing}\n"
    if outcome.verdict == FAILED:
        text = (LOGS / f"{stage}.log").read_text(encoding="utf-8") + text
    sys.stdout.write(text)
    sys.stdout.flush()
    return outcome


def run_alone(stage: str) -> Outcome:
    print(f"== {stage}", flush=True)
    return run_stage(stage, live=True)


def is_failure(outcome: Outcome, *, ci: bool) -> bool:
    return outcome.verdict == FAILED or (outcome.verdict == MISSING and ci)


def summary(outcomes: list[Outcome], *, ci: bool) -> str:
    lines = [f"{'stage':<14}{'result':<10}{'seconds':>8}"]
    lines += [f"{one.stage:<14}{one.verdict:<10}{one.seconds:>8.1f}" for one in outcomes]
    missing = sum(one.verdict == MISSING for one in outcomes)
    if missing:
        consequence = "CI does not pass without them" if ci else "CI would fail"
        lines.append(f"WARNING: {missing} of the Pythons to test are missing: {consequence}")
    closing = next((one.closing for one in outcomes if one.stage == "lab"), "")
    return "\n".join([*lines, closing]).rstrip()


def main(stages: list[str]) -> int:
    LOGS.mkdir(parents=True, exist_ok=True)
    ci = os.environ.get("CI") == "true"
    chosen = stages or [*QUICK, in_turn(head()), *ALONE]
    with ThreadPoolExecutor(max_workers=AT_A_TIME) as pool:
        outcomes = list(pool.map(run_quick, [stage for stage in chosen if stage not in ALONE]))
    outcomes += [run_alone(stage) for stage in chosen if stage in ALONE]
    print(summary(outcomes, ci=ci), flush=True)
    return 1 if any(is_failure(outcome, ci=ci) for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
