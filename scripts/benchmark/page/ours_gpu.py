"""What ours.js asks of intab on WebGPU beside runs: the adapter, its peak, times on the device, crossings of a run."""

import struct
import sys
from collections import Counter
from types import CodeType
from typing import Any

from benchmark.page.ours import FEEDS, SESSIONS
from intab.backends.webgpu.device import shared_gpu
from intab.browser.gpu import GpuCall, GpuCommands, GpuShader

INVOCATIONS, TURNS, REPEATS = 8192, 1000, 2
GROUP = 64
# (chains, numbers in each) of plain loops: what a compiler makes of them differs from device to device, so that the
# best counts. Unrolled ones show what such a loop costs beside its multiply-adds, on software adapters a lot.
LOOPS = ((8, 1), (12, 1), (2, 4))
UNROLLED = 8
WORDS_NBYTES = 256

_peaks: dict[str, list[tuple[GpuCommands, float]]] = {}


async def adapter() -> dict[str, Any]:
    """What there is to compute on."""
    info = (await shared_gpu()).info
    return {
        "name": info.name,
        "software": info.is_software,
        "features": sorted(info.features | info.language_features),
        "subgroup_sizes": list(info.subgroup_sizes or ()),
    }


def peak_text(chains: int, lanes: int, unrolled: int) -> str:
    """A shader that multiplies and adds in so many chains, each waiting for nothing but itself."""
    kind = "f32" if lanes == 1 else f"vec{lanes}<f32>"
    begins = "".join(f" var c{i} = {kind}(f32(id.x) + {i}.0);" for i in range(chains))
    turn = "".join(f" c{i} = fma(c{i}, x, y);" for i in range(chains)) * unrolled
    ends = " + ".join(f"c{i}" if lanes == 1 else f"dot(c{i}, {kind}(1.0))" for i in range(chains))
    return f"""struct Words {{ x: f32, y: f32 }}
@group(0) @binding(0) var<uniform> words: Words;
@group(0) @binding(1) var<storage, read_write> found: array<f32>;
@compute @workgroup_size({GROUP}) fn main(@builtin(global_invocation_id) id: vec3<u32>) {{
  let x = {kind}(words.x); let y = {kind}(words.y);
 {begins}
  for (var i = 0; i < {TURNS // unrolled}; i++) {{{turn} }}
  found[id.x] = {ends};
}}
"""


async def gpu_peak() -> dict[str, float]:
    """GFLOP/s of the best of some loops of multiply-adds without memory, by the device's clock where it has one."""
    if not _peaks:
        _peaks["loop"], _peaks["unrolled"] = await _loops(1), await _loops(UNROLLED)
    return {kind: max([await _rate(*loop) for loop in loops]) for kind, loops in _peaks.items()}


async def _rate(commands: GpuCommands, flops: float) -> float:
    (ms,) = await commands.time(0, 1, REPEATS)
    return flops / ms / 1e6


async def _loops(unrolled: int) -> list[tuple[GpuCommands, float]]:
    """Loops made ready, each with its floating-point operations."""
    gpu = await shared_gpu()
    (found,) = await gpu.buffers([("peak", INVOCATIONS * 4)])
    (words,) = await gpu.buffers([("words of the peak", WORDS_NBYTES)], uniform=True)
    gpu.write(words, 0, memoryview(struct.pack("2f", 0.5, 1.0)))  # which no compiler knows
    shaders = [GpuShader(f"peak{n}x{lanes}", peak_text(n, lanes, unrolled), ("read_write",)) for n, lanes in LOOPS]
    loops = []
    for pipeline, (chains, lanes) in zip(await gpu.pipelines(shaders), LOOPS, strict=True):
        commands = await gpu.commands([GpuCall(pipeline, (found,), 0, 8, (INVOCATIONS // GROUP, 1, 1))], words)
        await commands.run(0, 1)
        loops.append((commands, 2.0 * INVOCATIONS * (TURNS // unrolled * unrolled) * chains * lanes))
    return loops


async def device_ms(model: str) -> float:
    """Milliseconds of the last run's steps, each by itself, by the device's clock where it has one."""
    return (await SESSIONS[model].profile_async(repeats=1)).total_ms


def parts(model: str) -> list[str]:
    """Where a model runs that WebGPU does not run whole, part by part; nothing when it does."""
    return [reason for reason in SESSIONS[model].choice.reasons if reason.startswith("part ")]


async def crossings(model: str) -> dict[str, int]:
    """How often one run calls from Python into JavaScript, by the function that calls.

    Copies of arguments and results are calls, too. Those of the event loop, which awaiting takes, are "event loop".
    """
    from pyodide import ffi

    counts: Counter[str] = Counter()

    def called(code: CodeType, offset: int, function: Any, first: Any) -> None:
        # A method of a JavaScript object that is called at once is no proxy, but a thing of this name.
        crosses = isinstance(function, ffi.JsProxy) or type(function).__name__ == "JsMethodCallSingleton"
        if crosses or function is ffi.to_js or isinstance(getattr(function, "__self__", None), ffi.JsProxy):
            counts["event loop" if "webloop" in code.co_filename else code.co_qualname] += 1

    monitoring = sys.monitoring  # type: ignore[attr-defined,unused-ignore]  # Python has it from 3.12 on
    tool, event = monitoring.PROFILER_ID, monitoring.events.CALL
    monitoring.use_tool_id(tool, "crossings")
    monitoring.register_callback(tool, event, called)
    monitoring.set_events(tool, event)
    try:
        await SESSIONS[model].run(FEEDS[model])
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
    return dict(counts)
