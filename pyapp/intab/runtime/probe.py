"""What this device has: in the browser as far as the browser tells, on the desktop what Python finds."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from intab.backends.wasm.desktop import wasmtime_accepts, wasmtime_is_installed
from intab.browser import in_browser
from intab.browser.facts import DeviceFacts, Note, PageFacts
from intab.browser.probe import look, look_to_compute
from intab.browser.wasm_features import THREADS, accepted
from intab.runtime.device_data import plain, restored
from intab.runtime.device_table import Row, html_of, rows_of, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Device(DeviceFacts):
    """What a device is found to have; print it for a table."""

    @property
    def can_share_memory(self) -> bool:
        """Whether several threads can compute over one memory."""
        return self.place == "browser" and self.is_isolated and THREADS in (self.wasm or ())

    def note(self, about: str) -> Note | None:
        """Why something is missing and what would bring it, such as "webgpu" or "relaxed-simd"."""
        return next((note for note in self.notes if note.about == about), None)

    def rows(self) -> tuple[Row, ...]:
        """The table that `print` shows, row by row."""
        return rows_of(self)

    def as_dict(self) -> dict[str, Any]:
        """The same in dicts, lists and plain values, as JSON has them."""
        data: dict[str, Any] = plain(self)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Device":
        """The device that `as_dict` told of, on another machine say. Raises DTypeError when it is not such data."""
        device: Device = restored(cls, data)
        return device

    def __str__(self) -> str:
        return text_of(self.rows())

    def _repr_html_(self) -> str:
        return html_of(self.rows())


async def probe(page: PageFacts | None = None) -> Device:
    """What this device has, and of what is missing why and what would bring it. Raises nothing.

    It asks for no permission and takes some milliseconds, at most seconds where a browser does not answer.
    `page`: what a page has told of itself, where Python runs in its worker.
    """
    return _device(await look(page) if in_browser() else _desktop())


async def probe_to_compute() -> Device:
    """As much of it as the choice of a back end depends on; in a browser it is asked once, and then known."""
    global _known
    if _known is None or not in_browser():
        _known = _device(await look_to_compute() if in_browser() else _desktop())
    return _known


_known: Device | None = None


def _device(facts: DeviceFacts) -> Device:
    return Device(**{field.name: getattr(facts, field.name) for field in fields(facts)})


def _desktop() -> DeviceFacts:
    # Here, since a page that starts would wait for these and never use them.
    import platform
    from importlib.metadata import version

    notes = []
    wasm = None
    agent = f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} {platform.machine()}"
    if wasmtime_is_installed():
        wasm = accepted(wasmtime_accepts)
        agent += f", wasmtime {version('wasmtime')}"
    else:
        notes.append(Note("wasm", "the wasmtime package is not installed", 'pip install "intab[desktop]"'))
    for name in ("webgpu", "webgl2"):
        notes.append(Note(name, "this Python does not run in a browser", "`intab doctor` asks one."))
    memory_nbytes = _memory_nbytes()
    if memory_nbytes is None:
        notes.append(Note("memory", "this system does not tell how much there is"))
    return DeviceFacts(
        place="desktop",
        agent=agent,
        processors=os.cpu_count() or 1,
        memory_nbytes=memory_nbytes,
        wasm=wasm,
        notes=tuple(notes),
    )


def _memory_nbytes() -> int | None:
    """The machine's memory, where the system tells it by POSIX's names."""
    known: Mapping[str, int] = getattr(os, "sysconf_names", {})
    if not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(known):
        return None
    nbytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return nbytes if nbytes > 0 else None
