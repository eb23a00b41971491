"""Which back ends this machine has, and the memory pool that all sessions of one share."""

from dataclasses import dataclass
from functools import cache

from intab.backends.engine import Machine
from intab.backends.wasm.browser import BrowserMachine
from intab.backends.wasm.desktop import WasmtimeMachine, wasmtime_is_installed
from intab.backends.wasm.pool import Pool
from intab.browser._js import in_browser
from intab.errors import BackendUnavailableError

BACKENDS = ("wasm", "reference")


@dataclass(frozen=True, slots=True)
class Choice:
    """What runs a model, and why."""

    backend: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.backend}: {'; '.join(self.reasons)}"


@cache
def wasm_pool() -> Pool:
    """The pool of this tab or process."""
    machine: Machine = BrowserMachine() if in_browser() else WasmtimeMachine()
    return Pool(machine)


def choose(backend: str) -> Choice:
    """The back end for a request. Raises BackendUnavailableError for one that is not there."""
    if backend == "auto":
        return _automatic()
    if backend in BACKENDS:
        return Choice(backend, ("asked for",))
    raise BackendUnavailableError(
        f"There is no back end {backend!r} in this version of intab; there are {', '.join(BACKENDS)}. "
        'Use backend="auto".'
    )


def _automatic() -> Choice:
    if in_browser():
        return Choice("wasm", ("WebAssembly is there in every browser",))
    if wasmtime_is_installed():
        return Choice("wasm", ("desktop Python with the wasmtime package",))
    return Choice("reference", ("desktop Python without the wasmtime package",))
