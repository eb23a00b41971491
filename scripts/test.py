"""Every check and test of intab: `python3 scripts/test.py [--only PART ...]`

Runs the set-up, then each part with its time, and ends with one line of counts. Exit code 1 when anything failed.

PART is one of: lint (ruff), types (mypy, tsc), host (plain tests), wasmtime (generated WebAssembly without a browser),
browser (real headless Chromium), main (the main job of scripts/run.py on a real picture).
"""

import argparse
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import build
import setup
from prepare.steps import NODE_MODULES, ROOT, VENV, VENV_PYTHON, say

RESULTS = ROOT / "build" / "test-results"
BIN = VENV / "bin"
TSC = NODE_MODULES / ".bin" / "tsc"
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Counts:
    """How many tests passed, failed and were skipped. A check that is no test counts only when it fails."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def lint() -> Counts:
    return check("ruff format", [BIN / "ruff", "format", "--check", "."], minutes=2) + check(
        "ruff check", [BIN / "ruff", "check", "."], minutes=2
    )


def types() -> Counts:
    return (
        check("mypy", [BIN / "mypy"], minutes=8)
        + check("tsc on web/", [TSC, "--project", "tsconfig.json"], minutes=2)
        + check("tsc on the build's Node scripts", [TSC, "--project", "tsconfig.node.json"], minutes=2)
    )


def host() -> Counts:
    return pytest("host", ["tests", "--ignore=tests/browser", "-m", "not wasmtime"], minutes=15)


def wasmtime() -> Counts:
    return pytest("wasmtime", ["tests", "--ignore=tests/browser", "-m", "wasmtime"], minutes=15)


def browser() -> Counts:
    return pytest("browser", ["tests/browser"], minutes=20)


def main_job() -> Counts:
    return check("the main job", [sys.executable, ROOT / "scripts" / "run.py"], minutes=10)


PARTS: dict[str, Callable[[], Counts]] = {
    "lint": lint,
    "types": types,
    "host": host,
    "wasmtime": wasmtime,
    "browser": browser,
    "main": main_job,
}


# What looks at the built site, or serves it.
NEED_SITE = frozenset({"host", "browser", "main"})


def check(name: str, command: Sequence[str | Path], *, minutes: float) -> Counts:
    """Run a command that is right when it exits with 0."""
    code = run(name, command, minutes=minutes)
    return Counts(failed=int(code != 0))


def pytest(name: str, arguments: Sequence[str], *, minutes: float) -> Counts:
    """Run pytest and read its counts. A run that dies, hangs or finds no test is a failure too."""
    report = RESULTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    command = [str(VENV_PYTHON), "-m", "pytest", "-q", "--durations=5", f"--junit-xml={report}", *arguments]
    code = run(f"pytest {name}", command, minutes=minutes)
    counts = counts_of(report)
    if code != 0 and counts.failed == 0:
        return counts + Counts(failed=1)
    return counts


def counts_of(report: Path) -> Counts:
    """The counts in a JUnit report of pytest; none when there is no report that can be read."""
    try:
        suites = ElementTree.parse(report).getroot().iter("testsuite")
    except (FileNotFoundError, ElementTree.ParseError):
        return Counts()
    total = Counts()
    for suite in suites:
        tests, failures, errors, skipped = (int(suite.get(k, 0)) for k in ("tests", "failures", "errors", "skipped"))
        total += Counts(tests - failures - errors - skipped, failures + errors, skipped)
    return total


def run(name: str, command: Sequence[str | Path], *, minutes: float) -> int:
    """Run a command in the checkout, its output shown as it comes; return its exit code.

    At the deadline, or when this is interrupted, the command and all that it started are killed.
    """
    say(f"--- {name}")
    start = time.monotonic()
    process = subprocess.Popen(
        [str(word) for word in command], cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        code = process.wait(minutes * MINUTE_S)
    except subprocess.TimeoutExpired:
        say(f"{name}: not done after {minutes:g} minutes; stopping it")
        code = 1
    finally:
        _kill_group(process)
    say(f"--- {name}: {'ok' if code == 0 else f'FAILED (exit {code})'} in {time.monotonic() - start:.1f} s")
    return code


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the command's own session: a browser outlives a test runner that died."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Every check and test of intab.")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--no-setup", action="store_true", help="trust that scripts/setup.py has run")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    ready = options.no_setup or setup.main() == 0
    if ready and NEED_SITE & set(options.only):
        ready = build.build() == 0
    if not ready:
        say(str(Counts(failed=1)))
        return 1
    RESULTS.mkdir(parents=True, exist_ok=True)
    results = {name: part() for name, part in PARTS.items() if name in options.only}
    say(f"\nall parts in {(time.monotonic() - start) / MINUTE_S:.1f} minutes")
    for name, counts in results.items():
        say(f"  {name:<9} {'FAILED' if counts.failed else 'ok':<7} {counts}")
    total = sum(results.values(), Counts())
    say(str(total))
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
