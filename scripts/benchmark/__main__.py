"""The measuring itself, in the environment that the set-up made: `python -m benchmark`; scripts/bench.py calls it."""

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark import report
from benchmark.job import Visit, visits
from benchmark.machine import describe, load_average
from benchmark.peers import ROOT, Comparison, compare
from benchmark.tensors import FIXED, fixed_cases, job_cases
from intab.cli.checkout import built_site
from intab.errors import IntabError

MODELS = {name: ROOT / ".cache" / "models" / "ocr" / f"{name}.onnx" for name in FIXED}
DOCUMENT = ROOT / "docs" / "performance.md"


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench.py", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="beside onnxruntime-web, on the same tensors in turn")
    parser.add_argument(
        "--models", nargs="+", choices=FIXED, default=list(FIXED), metavar="MODEL", help=", ".join(FIXED)
    )
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="timed runs of each case (default 9)")
    parser.add_argument("--start", action="store_true", help="also start in fresh profiles, and the whole job")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md (with --peers --start)")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds is 1 or more")
    if options.write and not (options.peers and options.start and set(options.models) == set(FIXED)):
        parser.error("--write needs --peers, --start and all models")
    return options


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def page_picture() -> Path:
    """scikit-image's page.png, the picture of the main job."""
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise IntabError("scikit-image, which has the picture, is missing: run python3 scripts/setup.py")
    return Path(found.origin).parent / "data" / "page.png"


def main(arguments: Sequence[str] | None = None) -> int:
    options = options_of(arguments)
    machine = describe()
    seen: list[Visit] = []
    try:
        site = built_site()
        comparison = _compare(site, options)
        if options.start:
            seen = visits(site, page_picture(), say)
    except IntabError as error:
        say(f"error: {error}")
        return 1
    machine["load average after (the measuring itself makes about 1)"] = load_average()
    lines = report.comparison_lines(comparison) + (report.job_lines(seen) if seen else [])
    print("\n".join([*lines, "", *report.verdict_lines(comparison, seen)]))
    if options.json:
        options.json.write_text(json.dumps(report.as_json(machine, comparison, seen), indent=1) + "\n")
    if options.write:
        DOCUMENT.write_text(report.document(machine, comparison, seen))
    return 0


def _compare(site: Path, options: argparse.Namespace) -> Comparison:
    cases = [*job_cases(MODELS, page_picture()), *fixed_cases()]
    wanted = [case for case in cases if case.model in options.models]
    return compare(site, MODELS, wanted, rounds=options.rounds, peers=options.peers, say=say)


if __name__ == "__main__":
    sys.exit(main())
