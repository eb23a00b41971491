"""`python -m intab.cli.build --root .`: what scripts/build.py calls."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from intab.cli.build.site import Layout, build_site
from intab.errors import IntabError


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="build", description="Build the site of a checkout into build/site/.")
    parser.add_argument("--root", type=Path, required=True, help="the checkout")
    parser.add_argument("--clean", action="store_true", help="forget what earlier builds made")
    options = parser.parse_args(arguments)
    layout = Layout(options.root.resolve())
    try:
        if options.clean:
            for folder in (layout.work, layout.site):
                shutil.rmtree(folder, ignore_errors=True)
        build_site(layout, lambda line: print(f"  {line}", flush=True))
    except IntabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
