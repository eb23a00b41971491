"""`intab tune`: time other shapes of a model's kernels on the GPU of headless Chromium, and show what was found.

Visitors' browsers do the same by themselves while a session is idle, and keep what they find for their own GPU. A
browser that this command starts is a fresh one: nothing of it is kept.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from intab.cli.checkout import built_site
from intab.cli.chromium import chromium
from intab.cli.host import Host
from intab.cli.run import add_dims, check_files
from intab.cli.serve import serving
from intab.errors import IntabError

DEFAULT_BUDGET = 60.0
# Loading and running a model twice, on a GPU that software plays.
BESIDE_SECONDS = 600
REPORT_KEYS = ("adapter", "seconds", "products", "left", "before_ms", "after_ms")
"""The keys of the line of --json, in this order."""


def add_command(commands: "argparse._SubParsersAction[Any]") -> None:
    """Enter `tune` into the table of commands."""
    parser = commands.add_parser("tune", help="time kernels in other shapes on the GPU", description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model file")
    parser.add_argument("--feeds", type=Path, metavar="F.npz", help="inputs by name; absent: made-up ones")
    add_dims(parser)
    parser.add_argument(
        "--budget", type=_seconds, default=DEFAULT_BUDGET, metavar="S", help="seconds for compiling and timing"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON last")
    parser.set_defaults(call=tune)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e5:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds


def tune(options: argparse.Namespace) -> int:
    """Do the command; returns the exit code."""
    check_files(options.model, options.feeds)
    report = measure(options.model, feeds=options.feeds, dims=dict(options.dim), budget=options.budget)
    print(report["text"])
    if report["before_ms"]:
        before, after = median(report["before_ms"]), median(report["after_ms"])
        print(f"whole runs: {before:.1f} ms as it is, {after:.1f} ms with what was found (medians, run in turns)")
    if options.json:
        print(json.dumps({key: report[key] for key in REPORT_KEYS}))
    return 0


def measure(
    model: Path, *, feeds: Path | None = None, dims: Mapping[str, int] | None = None, budget: float = DEFAULT_BUDGET
) -> dict[str, Any]:
    """Tune `model` in a fresh browser; the report is ModelTuned of intab.browser.messages. Raises IntabError."""
    mounts = {"model": model.resolve().parent} | ({"feeds": feeds.resolve()} if feeds else {})
    with serving(built_site(), mounts=mounts) as address, chromium() as driver:
        arguments = {
            "model": f"./-/model/{quote(model.name)}",
            "feeds": "./-/feeds" if feeds else None,
            "dims": dict(dims or {}),
            "budget": budget,
        }
        served = f"{address}-/model/{quote(model.name)}"  # of this command's own server, which tells people nothing
        try:
            report = Host(driver, address).call("tune_model", arguments, seconds=BESIDE_SECONDS + 2 * budget)
        except IntabError as error:
            raise type(error)(str(error).replace(served, str(model))) from None
    return report | {"text": report["text"].replace(served, str(model))}
