"""Which function imports which ONNX operator, by domain, name and the opset it holds from.

    @onnx_op("Clip", since=11)
    def clip(call: Call, x: Value, low: Value | None = None, high: Value | None = None) -> Value: ...

The parameters are the operator's inputs: those without a default must be there, `*values` takes any number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from intab.graph.ir import Value

Importer = Callable[..., Value | tuple[Value, ...]]

# Both names mean the operators of the ONNX standard.
STANDARD_DOMAINS = ("", "ai.onnx")

_VARIADIC_FLAG = 0x04  # CPython's CO_VARARGS
_ANY_COUNT = 1 << 30


@dataclass(frozen=True, slots=True)
class Entry:
    """An importer, the opset its meaning starts with, and how many inputs it takes."""

    since: int
    importer: Importer
    fewest_inputs: int
    most_inputs: int


# Newest first for each operator.
_ENTRIES: dict[tuple[str, str], list[Entry]] = {}


def onnx_op(*names: str, since: int, domain: str = "") -> Callable[[Importer], Importer]:
    """Register a function for operators from opset `since` on. An operator taken twice is refused at import."""

    def register(importer: Importer) -> Importer:
        for name in names:
            add_importer(name, importer, since=since, domain=domain)
        return importer

    return register


def add_importer(name: str, importer: Importer, *, since: int, domain: str = "") -> None:
    """What `onnx_op` does, for importers made in a loop."""
    entries = _ENTRIES.setdefault((domain, name), [])
    if any(entry.since == since for entry in entries):
        raise ValueError(f"ONNX operator {name} since opset {since} has two importers.")
    entries.append(Entry(since, importer, *_input_counts(importer)))
    entries.sort(key=lambda entry: -entry.since)


def entry_for(domain: str, name: str, opset: int) -> Entry | None:
    """The newest importer that holds in `opset`, or None."""
    standard = "" if domain in STANDARD_DOMAINS else domain
    return next((e for e in _ENTRIES.get((standard, name), ()) if e.since <= opset), None)


def importers() -> dict[tuple[str, str], tuple[int, ...]]:
    """Every known operator and the opsets at which its importers start, for support tables."""
    return {key: tuple(entry.since for entry in reversed(entries)) for key, entries in _ENTRIES.items()}


def _input_counts(importer: Any) -> tuple[int, int]:
    """Fewest and most inputs, read off the function's signature (without the heavy `inspect`)."""
    code = importer.__code__
    positional = code.co_argcount - 1
    fewest = positional - len(importer.__defaults__ or ())
    return fewest, _ANY_COUNT if code.co_flags & _VARIADIC_FLAG else positional
