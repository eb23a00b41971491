"""Make everything ready that running, building and testing need: `python3 scripts/setup.py`

Safe to repeat and to interrupt; takes about a second when nothing changed. Needs Python >= 3.11, Node >= 20 with npm;
Chromium, chromedriver and a Chinese font come through apt when they are missing and this runs as root.
"""

import sys
import time
from collections.abc import Callable

from prepare.machine import check_node, check_python, install_missing
from prepare.steps import ROOT, VENV_PYTHON, SetupError, only_one, run, say
from prepare.tools import install_intab, install_node_modules, make_venv


def check_machine() -> None:
    check_python()
    check_node()
    install_missing()


def bring_materials() -> None:
    """The wheels and models of the lock files, by the project's own code, now that it can run."""
    run(
        [VENV_PYTHON, "-m", "intab.cli.build.materials", "--root", str(ROOT)],
        doing="bringing the wheels and models",
        quiet=False,
    )


STEPS: tuple[tuple[str, Callable[[], None]], ...] = (
    ("machine", check_machine),
    ("Python tools", make_venv),
    ("intab", install_intab),
    ("Node tools", install_node_modules),
    ("wheels and models", bring_materials),
)


def prepare() -> None:
    """Run every step, with a line for each. Raises SetupError when the machine lacks something."""
    with only_one("setup"):
        for number, (name, step) in enumerate(STEPS, 1):
            start = time.monotonic()
            say(f"set-up {number}/{len(STEPS)}: {name}")
            step()
            seconds = time.monotonic() - start
            if seconds >= 1:
                say(f"  done in {seconds:.0f} s")


def main() -> int:
    try:
        prepare()
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
