"""Write web/messages.d.ts, the types of the page's messages, from intab.browser.messages.

python scripts/declare_messages.py [--check]     --check only says whether the file is stale (exit 1).
"""

import argparse
import dataclasses
import sys
import types
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "web" / "messages.d.ts"
sys.path.insert(0, str(ROOT / "pyapp"))

from intab.browser.messages import METHODS, TO_PAGE, TO_WORKER, Failure, Result  # noqa: E402

PLAIN = {int: "number", float: "number", str: "string", bool: "boolean", bytes: "Uint8Array<ArrayBuffer>", Any: "any"}
HEAD = "// Written by scripts/declare_messages.py from pyapp/intab/browser/messages.py; do not edit.\n"


def type_text(hint: Any) -> str:
    """The TypeScript of one annotation."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is Annotated:
        return str(arguments[1])
    if origin in (Union, types.UnionType):
        return " | ".join("null" if argument is type(None) else type_text(argument) for argument in arguments)
    if origin is dict:
        return f"Record<string, {type_text(arguments[1])}>"
    if origin is tuple:
        return f"{type_text(arguments[0])}[]"
    if dataclasses.is_dataclass(hint):
        return str(getattr(hint, "__name__", hint))
    raise TypeError(f"messages.py: {hint!r} has no TypeScript here; add it to scripts/declare_messages.py")


def interface_text(kind: Any, *, tag: str | None = None) -> str:
    """One dataclass as an interface; `tag` is the value of its field `kind` where it crosses by itself."""
    hints = get_type_hints(kind, include_extras=True)
    lines = [f'  kind: "{tag}";'] if tag else []
    for field in dataclasses.fields(kind):
        has_default = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        lines.append(f"  {field.name}{'?' if has_default else ''}: {type_text(hints[field.name])};")
    doc = " ".join((kind.__doc__ or "").split())
    return f"/** {doc} */\nexport interface {kind.__name__} {{\n" + "\n".join(lines) + "\n}\n"


def nested(kind: Any, seen: list[Any]) -> list[Any]:
    """`kind` after every dataclass that its fields name, each once."""
    if kind in seen:
        return seen
    for hint in get_type_hints(kind, include_extras=True).values():
        for part in (hint, *get_args(hint)):
            if dataclasses.is_dataclass(part):
                seen = nested(part, seen)
    return [*seen, kind]


def declarations() -> str:
    """The whole file."""
    kinds: list[Any] = []
    for method in METHODS.values():
        for kind in (method.arguments, method.result):
            kinds = nested(kind, kinds)
    rows = [f"  {n}: {{ arguments: {m.arguments.__name__}; result: {m.result.__name__} }};" for n, m in METHODS.items()]
    envelopes = {**TO_WORKER, **TO_PAGE}
    return "\n".join(
        [
            HEAD,
            *(interface_text(kind) for kind in kinds),
            *(interface_text(kind, tag=tag) for tag, kind in envelopes.items()),
            "/** What each method takes and gives. */\nexport interface Methods {\n" + "\n".join(rows) + "\n}\n",
            f"export type ToWorker = {' | '.join(kind.__name__ for kind in TO_WORKER.values())};",
            f"export type ToPage = {' | '.join(kind.__name__ for kind in TO_PAGE.values())};",
            f"export type Ending = {Result.__name__} | {Failure.__name__};",
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is stale")
    text = declarations()
    if not parser.parse_args().check:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print("web/messages.d.ts is stale: run python scripts/declare_messages.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
