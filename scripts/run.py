"""Read the text in a real picture, in headless Chromium, from Python: `python3 scripts/run.py`

Makes everything ready (scripts/setup.py), builds the site (scripts/build.py), opens its page in a fresh browser,
gives it a picture, and prints each line of text with its score, the time of each stage and the back end.

    --image FILE    another picture than scikit-image's page.png
    --json          one line of JSON instead of the report
    --serve         do not read: serve the site, print its address, and go on until Ctrl+C
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import build
import setup
from prepare.steps import ROOT, VENV, VENV_PYTHON

PICTURE = "lib/python*/site-packages/skimage/data/page.png"


def picture_to_read() -> Path | None:
    """The page of a book that scikit-image carries, in the environment that setup made."""
    return next(iter(sorted(VENV.glob(PICTURE))), None)


def call(module: str, *options: str) -> int:
    """Run a module of the package in the environment that setup made; returns its exit code."""
    try:
        return subprocess.run([str(VENV_PYTHON), "-m", module, *options], cwd=Path.cwd()).returncode
    except KeyboardInterrupt:
        return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, metavar="FILE", help="the picture to read")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--serve", action="store_true", help="serve the site until Ctrl+C")
    options = parser.parse_args(arguments)
    if options.image is not None and not options.image.is_file():
        print(f"error: {options.image}: there is no such file. Check the path.", file=sys.stderr)
        return 1
    if setup.main() != 0 or build.build() != 0:
        return 1
    if options.serve:
        return call("intab.cli.serve")
    picture = options.image or picture_to_read()
    if picture is None:
        print(f"error: {ROOT / '.venv'}: scikit-image's page.png is not in it. Use --image FILE.", file=sys.stderr)
        return 1
    return call("intab.cli.reading", "--image", str(picture), *(["--json"] if options.json else []))


if __name__ == "__main__":
    sys.exit(main())
