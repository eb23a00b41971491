"""What ours.js calls, inside Pyodide: models loaded, fed, run and timed with the package as an author has it."""

import platform
import time
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

import intab
from intab.backends.wasm.speed import ITEMS, LANES, SUMS, loop_table, multiply_loop
from intab.browser.wasm import PAGE_NBYTES, WasmMemory, instantiate, validate
from intab.kernels.wasm import generate
from intab.runtime import Session, load
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD

SESSIONS: dict[str, Session] = {}
FEEDS: dict[str, dict[str, NDArray[Any]]] = {}
OUTPUTS: dict[str, dict[str, NDArray[Any]]] = {}
THREADS = 1
BACKEND = "wasm"
PEAK_TURNS, PEAK_REPEATS = 50_000, 20


def start(threads: int, backend: str) -> dict[str, str]:
    """Compute there, on `threads` threads, from now on; versions, for the report."""
    global THREADS, BACKEND
    THREADS, BACKEND = threads, backend
    return {"intab": intab.__version__, "python": platform.python_version()}


async def load_model(model: str, url: str) -> dict[str, Any]:
    """Load a model; what its stages took."""
    SESSIONS[model] = await load(url, backend=BACKEND, threads=THREADS if BACKEND == "wasm" else None)
    return stats(model)


def feed(model: str, name: str, shape: Any, dtype: str, data: Any) -> None:
    """Keep a tensor as a feed of the next runs. data: its bytes, a Uint8Array."""
    FEEDS.setdefault(model, {})[name] = np.frombuffer(data.to_bytes(), dtype).reshape(shape.to_py())


async def run(model: str) -> float:
    """Milliseconds of a run, copying feeds in and outputs out included."""
    begin = time.perf_counter()
    OUTPUTS[model] = await SESSIONS[model].run(FEEDS[model])
    return (time.perf_counter() - begin) * 1e3


def stats(model: str) -> dict[str, Any]:
    """The figures of `intab run --json`."""
    seen = SESSIONS[model].stats()
    return {
        "backend": seen.backend,
        "load_ms": seen.load_ms,
        "compile_ms": seen.compile_ms,
        "peak_nbytes": seen.peak_nbytes,
        "steps": seen.steps,
        "kernels": seen.kernels,
    }


async def work(model: str) -> dict[str, float]:
    """What a run must do: floating-point operations and the bytes of the tensors that its steps read and write.

    uncounted: steps that do not say.
    """
    steps = (await SESSIONS[model].profile_async(repeats=1)).steps
    return {
        "flops": sum(step.flops or 0 for step in steps),
        "nbytes": sum(step.nbytes or 0 for step in steps),
        "uncounted": sum(step.nbytes is None for step in steps),
    }


def outputs(model: str) -> list[dict[str, Any]]:
    """The last run's outputs: name, shape, dtype and bytes."""
    return [
        {
            "name": name,
            "shape": list(array.shape),
            "dtype": str(array.dtype),
            "data": np.ascontiguousarray(array).data.cast("B"),
        }
        for name, array in OUTPUTS[model].items()
    ]


def dispose(model: str) -> None:
    """Give the model back."""
    SESSIONS.pop(model).dispose()
    FEEDS.pop(model, None)
    OUTPUTS.pop(model, None)


async def overhead(model: str, count: int) -> float:
    """Median milliseconds of `count` runs, one after the other."""
    return median([await run(model) for _ in range(count)])


async def peak() -> float:
    """GFLOP/s of a loop of multiply-adds that touches no memory: the most that one core does here."""
    relaxed = generate([multiply_loop()], WASM_RELAXED_SIMD)
    module = relaxed if validate(relaxed) else generate([multiply_loop()], WASM_SIMD)
    memory = WasmMemory(PAGE_NBYTES, PAGE_NBYTES)
    instance = await instantiate(module, memory)
    memory.write(0, loop_table(0, PEAK_TURNS))
    rates = []
    for _ in range(PEAK_REPEATS):
        begin = time.perf_counter()
        instance.run(0, 1)
        rates.append(2 * LANES * SUMS * ITEMS * PEAK_TURNS / (time.perf_counter() - begin) / 1e9)
    instance.dispose()
    memory.dispose()
    return max(rates)
