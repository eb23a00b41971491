"""The site that a command drives: the one of the checkout that this package lies in, built when it is stale."""

import sys
from pathlib import Path

from intab.cli.build.site import Layout, build_site
from intab.errors import IntabError


def checkout() -> Path:
    """The folder of the checkout. Raises IntabError when the package was installed without one."""
    root = Path(__file__).resolve().parents[3]
    if not (root / "web" / "index.html").is_file():
        raise IntabError(f"{root}: this intab was installed without its site. Run it from a checkout of the project.")
    return root


def built_site() -> Path:
    """The folder of the built site, with whatever changed in the checkout made anew (about a second when nothing did).

    What the build says goes to standard error, so that a command's own output stays clean; a build with nothing
    to do says nothing.
    """

    def say(line: str) -> None:
        if ": 0 files changed" not in line:
            print(f"  {line}", file=sys.stderr, flush=True)

    return build_site(Layout(checkout()), say)
