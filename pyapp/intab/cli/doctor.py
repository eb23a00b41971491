"""`intab doctor`: what this machine has, on the desktop and in headless Chromium, and why not what is missing.

With a model file also what would run it in that browser, and why.
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from intab.cli.checkout import built_site
from intab.cli.chromium import chromium
from intab.cli.host import Host
from intab.cli.serve import serving
from intab.errors import ModelFormatError
from intab.runtime.beside import read_with_files_beside
from intab.runtime.choose import decide
from intab.runtime.demand import Demand, demand_of_graph
from intab.runtime.device_data import plain
from intab.runtime.probe import Device, probe
from intab.runtime.source import no_progress, open_source


def add_command(commands: "argparse._SubParsersAction[Any]") -> None:
    """Enter `doctor` into the table of commands."""
    parser = commands.add_parser("doctor", help="say what this machine and its browser have", description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", metavar="MODEL", help="say what would run this model file, too")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead")
    parser.add_argument(
        "--flag", action="append", default=[], metavar="--FLAG", help="start Chromium with a flag more (repeatable)"
    )
    parser.set_defaults(call=doctor)


def doctor(options: argparse.Namespace) -> int:
    """Do the command; returns the exit code. Raises IntabError when no browser answers."""
    if options.model is not None and not options.model.is_file():
        raise ModelFormatError(f"{options.model}: there is no such file. Check the path.")
    desktop = asyncio.run(probe())
    if not options.json:
        print(f"{desktop}\n")  # before the browser is asked, so that it is told where there is none
    browser = probe_browser(*options.flag)
    choice = None if options.model is None else decide(browser, asyncio.run(_demand(options.model)))
    if options.json:
        report = {"desktop": desktop.as_dict(), "browser": browser.as_dict()}
        print(json.dumps(report | ({"choice": plain(choice)} if choice else {})))
        return 0
    print(browser)
    if choice is not None:
        print(f"\n{options.model}\n  {choice}\n\n{choice.table()}")
    return 0


def probe_browser(*flags: str) -> Device:
    """What a fresh headless Chromium answers to probe_device (see intab.browser.messages)."""
    with serving(built_site()) as address, chromium(flags) as driver:
        return Device.from_dict(Host(driver, address).probe()["device"])


async def _demand(model: Path) -> Demand:
    return demand_of_graph(await read_with_files_beside(await open_source(model), model, [], None, no_progress))
