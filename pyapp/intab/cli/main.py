"""The command `intab`: one row of COMMANDS for each subcommand."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from intab import __version__
from intab.cli import doctor, run, tune
from intab.errors import IntabError

COMMANDS = (run.add_command, tune.add_command, doctor.add_command)
"""Each enters its parser and sets `call`, which takes the parsed options and returns the exit code."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line and whose exit code is 1, as for any other error."""

    def error(self, message: str) -> NoReturn:
        self.exit(1, f"error: {self.prog}: {message} ({self.prog} --help tells more)\n")


def parser() -> Parser:
    """The whole command line."""
    whole = Parser(prog="intab", description="Trained models in the browser tab, from Python.")
    whole.add_argument("--version", action="version", version=f"intab {__version__}")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for add_command in COMMANDS:
        add_command(commands)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.call(options)
    except IntabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
