"""WebAssembly on desktop Python, through wasmtime: the same modules as in the browser, for fast tests."""

import ctypes
from importlib.util import find_spec
from typing import Any
from weakref import finalize

import numpy as np

from intab.errors import BackendUnavailableError, KernelError, OutOfMemoryError
from intab.graph.storage import Storage
from intab.kernels.wasm import PAGE_NBYTES
from intab.target import WASM_RELAXED_SIMD, Target

MAXIMUM_PAGES = 65536


def wasmtime_is_installed() -> bool:
    """Whether the package that runs WebAssembly on the desktop is there."""
    return find_spec("wasmtime") is not None


def wasmtime_accepts(module: bytes) -> bool:
    """Whether wasmtime, set up as it is here, would compile `module`."""
    wasmtime = _wasmtime()
    config = wasmtime.Config()
    config.wasm_relaxed_simd = True
    try:
        wasmtime.Module.validate(wasmtime.Engine(config), module)
    except wasmtime.WasmtimeError:
        return False
    return True


def _wasmtime() -> Any:
    try:
        import wasmtime
    except ImportError as error:
        raise BackendUnavailableError(
            'The wasm back end needs the wasmtime package on the desktop: pip install "intab[desktop]". '
            'The reference back end works without it: backend="reference".'
        ) from error
    return wasmtime


class WasmtimeMemory:
    """A wasmtime memory behind the `Memory` protocol."""

    def __init__(self, store: Any, initial_pages: int = 1) -> None:
        wasmtime = _wasmtime()
        self._store = store
        self.raw = wasmtime.Memory(store, wasmtime.MemoryType(wasmtime.Limits(initial_pages, MAXIMUM_PAGES)))
        self.nbytes = 0
        self._look()

    def grow_to(self, nbytes: int) -> None:
        missing_pages = -(-(nbytes - self.nbytes) // PAGE_NBYTES)
        if missing_pages <= 0:
            return
        try:
            self.raw.grow(self._store, missing_pages)
        except _wasmtime().WasmtimeError as error:
            raise OutOfMemoryError(
                f"wasmtime: the memory could not grow from {self.nbytes:,} to {nbytes:,} bytes; it may have "
                f"{MAXIMUM_PAGES * PAGE_NBYTES:,}. Use smaller input or a smaller model, or dispose of sessions that "
                "are not needed."
            ) from error
        self._look()

    def write(self, address: int, data: memoryview) -> None:
        self._view[address : address + data.nbytes] = np.frombuffer(data, np.uint8)

    def write_from(self, address: int, source: Storage, offset: int, nbytes: int) -> None:
        self.write(address, source.read(offset, nbytes))

    def read(self, address: int, out: memoryview) -> None:
        np.frombuffer(out, np.uint8)[:] = self._view[address : address + out.nbytes]

    def dispose(self) -> None:
        self._view = np.empty(0, np.uint8)
        self.nbytes = 0

    def _look(self) -> None:
        """Make the view anew: a memory may move when it grows."""
        self.nbytes = self.raw.data_len(self._store)
        pointer = ctypes.cast(self.raw.data_ptr(self._store), ctypes.POINTER(ctypes.c_uint8))
        self._view = np.ctypeslib.as_array(pointer, shape=(self.nbytes,))


class WasmtimeInstance:
    """A module over its memory, on one thread."""

    team_size = 1
    threads = 1

    def __init__(self, store: Any, run: Any) -> None:
        self._store = store
        self._run = run

    def about_threads(self) -> tuple[str, ...]:
        return ()

    def run(self, table_address: int, step_count: int, *, together: bool = False) -> None:
        if self._run is None:
            raise KernelError("wasmtime: this instance was disposed of. Load the model again.")
        wasmtime = _wasmtime()
        try:
            self._run(self._store, table_address, step_count)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise KernelError(
                f"wasmtime: the generated module stopped in a run of {step_count} steps ({error}). "
                "This is a mistake in intab; please report it with the model and the shapes of the feeds."
            ) from error

    def dispose(self) -> None:
        self._run = None


def _close(store: Any, engine: Any) -> None:
    store.close()
    engine.close()


class WasmtimeMachine:
    """A machine over one wasmtime store, with one thread. `target` chooses relaxed or plain SIMD."""

    reserved_nbytes = 0

    def __init__(self, target: Target = WASM_RELAXED_SIMD) -> None:
        wasmtime = _wasmtime()
        config = wasmtime.Config()
        config.wasm_relaxed_simd = target.has("relaxed-simd")
        self.target = target
        self._engine = wasmtime.Engine(config)
        self._store = wasmtime.Store(self._engine)
        self.memory = WasmtimeMemory(self._store)
        # Runs at the end of the process too, before wasmtime's own finalizers, which print errors that late.
        self._close = finalize(self, _close, self._store, self._engine)

    async def instantiate(self, module: bytes, threads: int = 1, *, measured: bool = False) -> WasmtimeInstance:
        wasmtime = _wasmtime()
        try:
            compiled = wasmtime.Module(self._engine, module)
            instance = wasmtime.Instance(self._store, compiled, [self.memory.raw])
        except wasmtime.WasmtimeError as error:
            raise KernelError(f"wasmtime: the generated module was refused: {error}") from error
        return WasmtimeInstance(self._store, instance.exports(self._store)["run"])

    def dispose(self) -> None:
        self.memory.dispose()
        self._close()
