"""Build the site into build/site/: `python3 scripts/build.py [--clean] [--no-setup]`

Runs the set-up first. The work is done by `intab.cli.build`, the code that `intab build` will be.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence

import setup
from prepare.steps import ROOT, VENV_PYTHON, only_one, say


def build(*, clean: bool = False) -> int:
    """Build with the development environment; return the exit code."""
    say("building the site")
    command = [str(VENV_PYTHON), "-m", "intab.cli.build", "--root", str(ROOT), *(["--clean"] if clean else [])]
    with only_one("build"):
        return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build the site into build/site/.")
    parser.add_argument("--clean", action="store_true", help="forget what earlier builds made")
    parser.add_argument("--no-setup", action="store_true", help="trust that scripts/setup.py has run")
    options = parser.parse_args(arguments)
    if not options.no_setup and setup.main() != 0:
        return 1
    return build(clean=options.clean)


if __name__ == "__main__":
    sys.exit(main())
