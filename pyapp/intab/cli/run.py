"""`intab run`: run any model file in headless Chromium and say how long it took."""

import argparse
import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from intab.cli.checkout import built_site
from intab.cli.chromium import chromium
from intab.cli.host import Host
from intab.cli.serve import serving
from intab.errors import IntabError, ModelFormatError

BACKENDS = ("auto", "wasm", "webgpu", "webgl", "reference")
REPORT_KEYS = (
    "backend",
    "adapter",
    "threads",
    "load_ms",
    "compile_ms",
    "first_run_ms",
    "run_ms",
    "peak_nbytes",
    "steps",
    "kernels",
)
"""The keys of the line of --json, in this order; other tools rely on them."""
RUN_SECONDS = 900
FETCHES = "fetches"


def add_command(commands: "argparse._SubParsersAction[Any]") -> None:
    """Enter `run` into the table of commands."""
    parser = commands.add_parser("run", help="run a model file in headless Chromium", description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL", help="a model file")
    parser.add_argument("--feeds", type=Path, metavar="F.npz", help="inputs by name; absent: made-up ones")
    parser.add_argument("--fetches", type=Path, metavar="G.npz", help="write every graph output under its name")
    add_dims(parser)
    parser.add_argument("--backend", choices=BACKENDS, default="auto")
    parser.add_argument("--threads", type=_positive, metavar="N", help="compute threads; absent: as many as help")
    parser.add_argument("--repeat", type=_positive, default=1, metavar="N", help="timed runs after the first")
    parser.add_argument("--profile", action="store_true", help="print where the time of a run goes")
    parser.add_argument("--trace", type=Path, metavar="T.json", help="write the profile as a Chrome trace")
    parser.add_argument("--json", action="store_true", help="print one line of JSON last")
    parser.set_defaults(call=run)


def add_dims(parser: argparse.ArgumentParser) -> None:
    """The option that binds dimensions."""
    parser.add_argument(
        "--dim", type=_dimension, action="append", default=[], metavar="NAME=N", help="bind a dimension (repeatable)"
    )


def check_files(model: Path, feeds: Path | None) -> None:
    """Raise ModelFormatError where there is no such model, or feeds are none."""
    for path in filter(None, (model, feeds)):
        if not path.is_file():
            raise ModelFormatError(f"{path}: there is no such file. Check the path.")
    if feeds is not None and not zipfile.is_zipfile(feeds):
        raise ModelFormatError(f"{feeds}: this is not an .npz file. Write it with numpy.savez.")


def _dimension(text: str) -> tuple[str, int]:
    name, _, size = text.rpartition("=")
    if not name or not size.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=N, such as width=320")
    return name, int(size)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Do the command; returns the exit code."""
    check_files(options.model, options.feeds)
    for path in filter(None, (options.fetches, options.trace)):
        if not path.parent.is_dir():
            raise IntabError(f"{path}: there is no folder {path.parent}. Make it first.")
    report = measure(
        options.model,
        feeds=options.feeds,
        fetches=options.fetches,
        dims=dict(options.dim),
        backend=options.backend,
        threads=options.threads,
        repeat=options.repeat,
        profile=options.profile or options.trace is not None,
    )
    print("\n".join(_table(options.model, report)))
    if options.profile:
        print(f"\n{report['profile']}")
    if options.trace is not None:
        options.trace.write_text(report["trace"], encoding="utf-8")
    if options.json:
        print(json.dumps({key: report[key] for key in REPORT_KEYS}))
    return 0


def measure(
    model: Path,
    *,
    feeds: Path | None = None,
    fetches: Path | None = None,
    dims: Mapping[str, int] | None = None,
    backend: str = "auto",
    threads: int | None = None,
    repeat: int = 1,
    profile: bool = False,
) -> dict[str, Any]:
    """Run `model` in a fresh browser; the report has REPORT_KEYS. Raises IntabError for whatever goes wrong."""
    site = built_site()
    # The model's folder is mounted, since a model may keep its weights in files beside it.
    mounts = {"model": model.resolve().parent} | ({"feeds": feeds.resolve()} if feeds else {})
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / FETCHES
        with serving(site, mounts=mounts, put=answer) as address, chromium() as driver:
            arguments = {
                "model": f"./-/model/{quote(model.name)}",
                "feeds": "./-/feeds" if feeds else None,
                "dims": dict(dims or {}),
                "backend": backend,
                "threads": threads,
                "repeat": repeat,
                "fetch": fetches is not None,
                "profile": profile,
            }
            host = Host(driver, address)
            served = f"{address}-/model/{quote(model.name)}"  # of this command's own server, which tells people nothing
            try:
                report = host.call("run_model", arguments, seconds=RUN_SECONDS)
            except IntabError as error:
                raise type(error)(str(error).replace(served, str(model))) from None
            if profile:
                report["profile"] = report["profile"].replace(served, str(model))
        if fetches is not None:
            shutil.move(answer, fetches)
    return report


def _table(model: Path, report: Mapping[str, Any]) -> Sequence[str]:
    """The report for people."""
    runs = report["run_ms"]
    adapter = f" on {report['adapter']}" if report["adapter"] else ""
    threads = f"{report['threads']} thread{'s' if report['threads'] != 1 else ''}"
    rows = (
        ("back end", f"{report['backend']}{adapter}, {threads}"),
        ("load", f"{report['load_ms']:.1f} ms"),
        ("compile", f"{report['compile_ms']:.1f} ms"),
        ("first run", f"{report['first_run_ms']:.1f} ms"),
        ("run", f"{median(runs):.1f} ms (median of {len(runs)}, best {min(runs):.1f})"),
        ("peak memory", f"{report['peak_nbytes'] / 1e6:.1f} MB"),
        ("steps", str(report["steps"])),
        ("kernels", str(report["kernels"])),
    )
    return [str(model), *(f"  {name:<12} {value}" for name, value in rows)]
