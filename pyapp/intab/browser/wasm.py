"""WebAssembly as the kernels use it: a linear memory to copy in and out of, and modules that share it.

A module imports its memory as "env"."memory" and exports "run" (table address, step count).
"""

from collections.abc import Callable
from typing import Any, Protocol

from intab.browser._js import describe, door
from intab.browser.net import JsStorage
from intab.browser.proxies import closed, opened
from intab.errors import BackendUnavailableError, KernelError, OutOfMemoryError

PAGE_NBYTES = 65536
MAXIMUM_PAGES = 65536


def pages_for(nbytes: int) -> int:
    """The 64 KiB pages that hold `nbytes`."""
    return -(-nbytes // PAGE_NBYTES)


class Source(Protocol):
    """The part of graph.storage.Storage that a memory is filled from."""

    def read(self, offset: int, nbytes: int) -> memoryview: ...


class WasmMemory:
    """One linear memory. Addresses and sizes are in bytes; a size is rounded up to whole pages of 64 KiB."""

    def __init__(self, initial_nbytes: int, maximum_nbytes: int, *, shared: bool = False) -> None:
        """`shared`: workers can be sent it. Raises OutOfMemoryError when the browser cannot give `initial_nbytes`."""
        maximum = min(max(pages_for(maximum_nbytes), pages_for(initial_nbytes)), MAXIMUM_PAGES)
        self._maximum_nbytes = maximum * PAGE_NBYTES
        descriptor = door().to_js({"initial": pages_for(initial_nbytes), "maximum": maximum, "shared": shared})
        try:
            self._memory: Any = door().js.WebAssembly.Memory.new(descriptor)
        except door().exception as error:
            raise OutOfMemoryError(
                f"browser: no WebAssembly memory of {initial_nbytes:,} bytes could be had ({describe(error)}). "
                "Close other tabs, dispose of sessions that are not needed, or use a smaller model."
            ) from error
        opened("wasm memory")
        self._look()

    def _look(self) -> None:
        """Make the byte view anew: growing a memory detaches the views of it (WebAssembly JS API, Memory.grow)."""
        view = door().js.Uint8Array.new(self._memory.buffer)
        self._subarray: Callable[[int, int], Any] = view.subarray
        self.nbytes = int(view.byteLength)

    @property
    def js(self) -> Any:
        """The WebAssembly.Memory itself, for the import of a module."""
        return self._memory

    def grow_to(self, nbytes: int) -> None:
        """Make room for `nbytes` in all; does nothing when there is. Raises OutOfMemoryError when there cannot be."""
        missing_nbytes = nbytes - self.nbytes
        if missing_nbytes <= 0:
            return
        try:
            self._memory.grow(pages_for(missing_nbytes))
        except door().exception as error:
            raise OutOfMemoryError(
                f"browser: WebAssembly memory could not grow from {self.nbytes:,} to {nbytes:,} bytes; it may have "
                f"{self._maximum_nbytes:,} ({describe(error)}). Use smaller input or a smaller model, dispose of "
                "sessions that are not needed, or close other tabs."
            ) from error
        self._look()

    def _range(self, address: int, nbytes: int) -> Any:
        if address < 0 or address + nbytes > self.nbytes:
            # subarray() would clamp the range and the copy would be short without a word.
            raise KernelError(
                f"browser: {nbytes} bytes at address {address} lie outside a memory of {self.nbytes:,} bytes. "
                "This is a mistake in intab's memory plan; please report it with the model."
            )
        return self._subarray(address, address + nbytes)

    def write(self, address: int, data: memoryview) -> None:
        """Copy the contiguous buffer `data` to `address`."""
        if data.nbytes:
            self._range(address, data.nbytes).assign(data.cast("B"))

    def write_from(self, address: int, source: Source, offset: int, nbytes: int) -> None:
        """Copy bytes of `source` to `address`; what JavaScript holds does not pass through Python."""
        if not nbytes:
            return
        if isinstance(source, JsStorage):
            self._range(address, nbytes).set(source.part(offset, nbytes))
        else:
            self.write(address, source.read(offset, nbytes))

    def read(self, address: int, out: memoryview) -> None:
        """Fill the contiguous, writable buffer `out` from `address`."""
        if out.nbytes:
            self._range(address, out.nbytes).assign_to(out.cast("B"))

    def signal(self, address: int) -> None:
        """Add one to the word at `address` of a shared memory and wake all who wait at it."""
        js = door().js
        words = js.Int32Array.new(self._memory.buffer, address, 1)
        js.Atomics.add(words, 0, 1)
        js.Atomics.notify(words, 0)

    def dispose(self) -> None:
        """Let go of the memory; a second call does nothing. The browser frees it when it next collects."""
        if self._memory is not None:
            self._memory = None
            del self._subarray
            self.nbytes = 0
            closed("wasm memory")


class WasmInstance:
    """A module over its memory, ready to run on this thread. `module` is what workers can be sent."""

    team_size = 1
    threads = 1

    def __init__(self, module: Any, exports: Any) -> None:
        self.module = module
        self._exports = exports
        self._run: Callable[[int, int], None] | None = exports.run
        self._exception = door().exception
        opened("wasm instance")

    def call(self, name: str, *numbers: int) -> int:
        """What an exported function gives back, 0 when that is nothing. A trap raises KernelError."""
        if self._run is None:
            raise KernelError("browser: this WebAssembly instance was disposed of. Load the model again.")
        try:
            return int(getattr(self._exports, name)(*numbers) or 0)
        except self._exception as error:
            raise KernelError(
                f"browser: the generated module stopped in {name!r} ({describe(error)}). "
                "This is a mistake in intab; please report it with the model and the shapes of the feeds."
            ) from error

    def about_threads(self) -> tuple[str, ...]:
        """Nothing: there is one."""
        return ()

    def run(self, table_address: int, step_count: int, *, together: bool = False) -> None:
        """Run `step_count` steps of the table at `table_address` (bytes). A trap raises KernelError."""
        if self._run is None:
            raise KernelError("browser: this WebAssembly instance was disposed of. Load the model again.")
        try:
            self._run(table_address, step_count)
        except self._exception as error:
            raise KernelError(
                f"browser: the generated module stopped in a run of {step_count} steps ({describe(error)}). "
                "This is a mistake in intab; please report it with the model and the shapes of the feeds."
            ) from error

    def dispose(self) -> None:
        """Let go of the module; a second call does nothing."""
        if self._run is not None:
            self._run = None
            self.module = self._exports = None
            closed("wasm instance")


async def instantiate(module: bytes, memory: WasmMemory) -> WasmInstance:
    """Compile `module` and bind it to `memory`. Raises KernelError when the browser refuses the bytes."""
    way = door()
    imports = way.to_js({"env": {"memory": memory.js}})
    try:
        result = await way.js.WebAssembly.instantiate(way.to_js(module), imports)
    except way.exception as error:
        if getattr(error, "name", "") == "RangeError":
            raise OutOfMemoryError(
                f"browser: no memory to compile a module of {len(module):,} bytes ({describe(error)}). "
                "Close other tabs or dispose of sessions that are not needed."
            ) from error
        raise KernelError(
            f"browser: the generated module of {len(module):,} bytes was refused ({describe(error)}). "
            "This is a mistake in intab; please report it with the model and the browser's version."
        ) from error
    return WasmInstance(result.module, result.instance.exports)


def validate(module: bytes) -> bool:
    """Whether this browser would compile `module`. Raises BackendUnavailableError without WebAssembly."""
    way = door()
    assembly = getattr(way.js, "WebAssembly", None)
    if assembly is None:
        raise BackendUnavailableError("browser: it has no WebAssembly. Use a browser of the last three years.")
    return bool(assembly.validate(way.to_js(module)))
