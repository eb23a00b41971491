"""`intab doctor`: what this machine has, on the desktop and in headless Chromium, and why not what is missing."""

import argparse
import asyncio
import json
from typing import Any

from intab.cli.checkout import built_site
from intab.cli.chromium import chromium
from intab.cli.host import Host
from intab.cli.serve import serving
from intab.runtime.probe import probe


def add_command(commands: "argparse._SubParsersAction[Any]") -> None:
    """Enter `doctor` into the table of commands."""
    parser = commands.add_parser("doctor", help="say what this machine and its browser have", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead")
    parser.add_argument(
        "--flag", action="append", default=[], metavar="--FLAG", help="start Chromium with a flag more (repeatable)"
    )
    parser.set_defaults(call=doctor)


def doctor(options: argparse.Namespace) -> int:
    """Do the command; returns the exit code. Raises IntabError when no browser answers."""
    desktop = asyncio.run(probe())
    if not options.json:
        print(f"{desktop}\n")  # before the browser is asked, so that it is told where there is none
    browser = probe_browser(*options.flag)
    if options.json:
        print(json.dumps({"desktop": desktop.as_dict(), "browser": browser["device"]}))
    else:
        print(browser["text"])
    return 0


def probe_browser(*flags: str) -> dict[str, Any]:
    """What a fresh headless Chromium answers to probe_device (see intab.browser.messages)."""
    with serving(built_site()) as address, chromium(flags) as driver:
        return Host(driver, address).probe()
