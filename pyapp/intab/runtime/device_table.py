"""A device as a table: rows of data, and those as text and as HTML."""

import html
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from intab.browser.facts import UNKNOWN, DeviceFacts, MediaFacts, Note
from intab.browser.probe import PACKED_DOT
from intab.browser.wasm_features import PROBES

WIDTH = 110
# Powers of two, as memories and limits are.
UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
LIMITS = {
    "largest buffer": "maxBufferSize",
    "largest binding": "maxStorageBufferBindingSize",
    "workgroup memory": "maxComputeWorkgroupStorageSize",
    "workgroup size": "maxComputeInvocationsPerWorkgroup",
    "storage buffers": "maxStorageBuffersPerShaderStage",
}
IN_BYTES = ("largest buffer", "largest binding", "workgroup memory")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. `has`: whether it is there; None where that is no question. `note`: why not, and a way."""

    group: str
    name: str
    value: str
    has: bool | None = None
    note: str = ""


def rows_of(device: DeviceFacts) -> tuple[Row, ...]:
    """The whole table; what a desktop has not and never will have is left out."""
    in_browser = device.place == "browser"
    groups = [_place, _wasm, _webgpu, _webgl, _storage, _media] if in_browser else [_place, _wasm, _webgpu]
    notes: dict[str, str] = {}
    for note in device.notes:
        notes[note.about] = f"{notes[note.about]} {_told(note)}" if note.about in notes else _told(note)
    rows = [row for group in groups for row in group(device)]
    named = {row.name for row in rows}
    rows = [Row(row.group, row.name, row.value, row.has, notes.get(row.name, "")) for row in rows]
    # What could not be asked at all has no row of its own.
    rows += [Row("Other", about, "", None, note) for about, note in notes.items() if about not in named]
    return tuple(rows)


def _told(note: Note) -> str:
    return f"{note.why[:1].upper()}{note.why[1:]}. {note.remedy}".strip()


def _place(device: DeviceFacts) -> Iterator[Row]:
    group = "Page" if device.place == "browser" else "Python"
    yield Row(group, "browser" if device.place == "browser" else "python", device.agent)
    if device.place == "browser":
        yield Row(group, "origin", device.origin)
        yield _yes(group, "secure context", device.is_secure)
        yield _yes(group, "isolation", device.is_isolated)
    yield Row(group, "processors", str(device.processors))
    yield Row(group, "memory", _size(device.memory_nbytes))


def _wasm(device: DeviceFacts) -> Iterator[Row]:
    group = "WebAssembly"
    if device.wasm is None:
        yield _yes(group, "wasm", False)
        return
    for name in PROBES:
        yield _yes(group, name, name in device.wasm)
    if device.place == "browser":
        yield _yes(group, "jspi", device.jspi)


def _webgpu(device: DeviceFacts) -> Iterator[Row]:
    group, gpu = "WebGPU", device.webgpu
    if gpu is None:
        yield _yes(group, "webgpu", False)
        return
    yield Row(group, "webgpu", f"{gpu.name} ({'software' if gpu.is_software else 'hardware'})", True)
    yield _yes(group, "shader-f16", "shader-f16" in gpu.features)
    sizes = "" if gpu.subgroup_sizes is None else "of " + " to ".join(map(str, dict.fromkeys(gpu.subgroup_sizes)))
    yield Row(group, "subgroups", sizes or _word("subgroups" in gpu.features), "subgroups" in gpu.features)
    yield _yes(group, "timestamp-query", "timestamp-query" in gpu.features)
    yield _yes(group, "packed dot products", PACKED_DOT in gpu.language_features)
    for name, limit in LIMITS.items():
        number = gpu.limits.get(limit)
        yield Row(group, name, _size(number) if name in IN_BYTES else UNKNOWN if number is None else str(number))
    yield Row(group, "features", ", ".join(sorted(gpu.features)) or "none")
    yield Row(group, "WGSL features", ", ".join(sorted(gpu.language_features)) or "none")


def _webgl(device: DeviceFacts) -> Iterator[Row]:
    group, webgl = "WebGL2", device.webgl
    if webgl is None:
        yield _yes(group, "webgl2", False)
        return
    yield Row(group, "webgl2", f"{webgl.renderer} ({'software' if webgl.is_software else 'hardware'})", True)
    yield _yes(group, "webgl2 float targets", webgl.float_targets)
    limits = ", ".join(f"{name} {number}" for name, number in webgl.limits.items())
    yield Row(group, "webgl2 limits", limits or UNKNOWN)


def _storage(device: DeviceFacts) -> Iterator[Row]:
    group, storage = "Storage", device.storage
    if storage is None:
        yield _yes(group, "storage", False)
        return
    used = UNKNOWN if storage.used_nbytes is None else _size(storage.used_nbytes)
    yield Row(group, "storage", f"{_size(storage.quota_nbytes)}, of which used: {used}", True)
    yield Row(group, "persistent storage", _word(storage.persisted), storage.persisted)


def _media(device: DeviceFacts) -> Iterator[Row]:
    group = "Camera and sound"
    for name, media in (("camera", device.camera), ("microphone", device.microphone)):
        yield Row(group, name, _media_value(media), media.api if media.connected is None else media.connected)
    yield _yes(group, "offscreen canvas", device.offscreen_canvas)


def _media_value(media: MediaFacts) -> str:
    there = {True: "connected", False: "none", None: UNKNOWN}[media.connected]
    permission = {"prompt": "the visitor would be asked", "granted": "allowed", "denied": "denied"}
    return f"{there}; {permission.get(media.permission, 'permission unknown')}"


def _yes(group: str, name: str, has: bool) -> Row:
    return Row(group, name, _word(has), has)


def _word(has: bool | None) -> str:
    return UNKNOWN if has is None else "yes" if has else "no"


def _size(nbytes: int | None) -> str:
    """A count of bytes in the largest unit that it fills."""
    if nbytes is None:
        return UNKNOWN
    for unit, unit_nbytes in UNITS:
        if nbytes >= unit_nbytes:
            return f"{nbytes / unit_nbytes:.1f}".removesuffix(".0") + f" {unit}"
    return f"{nbytes} bytes"


def text_of(rows: Iterable[Row]) -> str:
    """The table for a terminal: groups one below the other, notes below their rows."""
    rows = tuple(rows)
    width = max((len(row.name) for row in rows), default=0)
    lines: list[str] = []
    for group, members in groupby(rows, lambda row: row.group):
        lines += ["", group]
        for row in members:
            head = f"  {row.name:<{width}}  "
            lines += _wrapped(row.value or row.note, head, " " * len(head))
            if row.value and row.note:
                lines += _wrapped(row.note, " " * (len(head) + 2), " " * (len(head) + 2))
    return "\n".join(lines[1:])


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def html_of(rows: Iterable[Row]) -> str:
    """The table for a notebook, without style of its own."""
    parts = ["<table>"]
    for group, members in groupby(rows, lambda row: row.group):
        parts.append(f'<tbody><tr><th colspan="2" scope="rowgroup">{html.escape(group)}</th></tr>')
        for row in members:
            note = f"<br><small>{html.escape(row.note)}</small>" if row.note else ""
            parts.append(
                f'<tr><th scope="row">{html.escape(row.name)}</th><td>{html.escape(row.value)}{note}</td></tr>'
            )
        parts.append("</tbody>")
    return "".join([*parts, "</table>"])
