"""Inside Pyodide: a GPU device put through its paces, so that only numbers and words come out to the test."""

import gc
import struct
from contextlib import asynccontextmanager

import js
import pyodide_js

from intab.browser import proxies
from intab.browser.gpu import GpuCall, GpuShader, request_gpu
from intab.errors import IntabError

# to[i] = from[i] * factor + add, where the words say how many, the factor and what to add.
SCALE = GpuShader(
    "scale",
    """
struct Words { count: u32, factor: f32, add: f32 }
@group(0) @binding(0) var<uniform> words: Words;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> target_: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) place: vec3<u32>) {
  if (place.x < words.count) { target_[place.x] = source[place.x] * words.factor + words.add; }
}
""",
    ("read", "read_write"),
)
# Takes a second and more on a processor: it counts as far as the words say, and uses what it counted.
SLOW = GpuShader(
    "slow",
    """
struct Words { count: u32, factor: f32, add: f32 }
@group(0) @binding(0) var<uniform> words: Words;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> target_: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) place: vec3<u32>) {
  var sum = source[place.x & 3u];
  for (var step = 0u; step < words.count; step++) { sum = sum * words.factor + words.add; }
  target_[place.x] = sum;
}
""",
    ("read", "read_write"),
)
WORDS_AT = 256


def words_of(count, factor, add):
    return struct.pack("<Iff", count, factor, add)


def floats(data):
    return list(struct.unpack(f"<{len(data) // 4}f", data))


async def error_of(awaitable):
    """(name, words) of the IntabError that `awaitable` ends in; any other exception is a bug and passes."""
    try:
        result = await awaitable
    except IntabError as error:
        return type(error).__name__, str(error)
    return "none", repr(result)[:200]


@asynccontextmanager
async def device():
    """A device, disposed of on leaving."""
    gpu = await request_gpu()
    try:
        yield gpu
    finally:
        gpu.dispose()


@asynccontextmanager
async def scaling(gpu, count=4, calls=1, shader=SCALE, groups=None):
    """Commands that scale the first of two buffers of `count` floats into the second and back, and these buffers."""
    first, second = await gpu.buffers([("first", 4 * count), ("second", 4 * count)])
    (words,) = await gpu.buffers([("words", WORDS_AT * calls)], uniform=True)
    (pipeline,) = await gpu.pipelines([shader])
    groups = groups or (-(-count // 64), 1, 1)
    both = [(first, second), (second, first)]
    commands = await gpu.commands(
        [GpuCall(pipeline, both[index % 2], WORDS_AT * index, 12, groups) for index in range(calls)], words
    )
    try:
        yield commands, first, second, words
    finally:
        commands.dispose()
        for buffer in (first, second, words):
            buffer.destroy()


async def told():
    """What a device says of itself."""
    async with device() as gpu:
        info = gpu.info
        return {
            "name": str(info),
            "software": info.is_software,
            "features": sorted(info.features),
            "limits": dict(info.limits),
            "subgroups": info.subgroup_sizes,
            "language": sorted(info.language_features),
            "lost": gpu.lost,
        }


async def story():
    """Write, run parts of a list, read."""
    async with device() as gpu, scaling(gpu, count=5, calls=3) as (commands, first, second, words):
        gpu.write(first, 0, memoryview(struct.pack("<5f", 1, 2, 3, 4, 5)))
        for index, (factor, add) in enumerate([(2, 0), (1, 10), (-1, 0)]):
            gpu.write(words, WORDS_AT * index, memoryview(words_of(5, factor, add)))
        seen = [await commands.run(0, 2, downloads=[(first, 0, 20), (second, 4, 8)])]
        seen.append(await commands.run(2, 3, downloads=[(second, 0, 20)]))
        upload = (first, 4, memoryview(struct.pack("<2f", 7, 8)))
        seen.append(await commands.run(0, 0, uploads=[upload], downloads=[(first, 0, 12), (first, 0, 0)]))
        seen.append(await gpu.read([(first, 8, 4)]))
        return [[floats(data) for data in run] for run in seen]


def held():
    """What is held now, after a collection."""
    gc.collect()
    return {
        "JavaScript objects held by Python": pyodide_js._module.hiwire.num_keys(),
        "Python objects held by JavaScript": pyodide_js._module.pyproxy_alloc_map.size,
        "Python objects": len(gc.get_objects()),
        **{f"open: {kind}": count for kind, count in proxies.live().items()},
    }


async def figures(count=300, runs=50):
    """Milliseconds: to prepare, to encode and submit, of a whole run."""
    async with device() as gpu, scaling(gpu, calls=count) as (commands, first, second, words):
        encode, whole = [], []
        for _ in range(runs):
            start = js.performance.now()
            await commands.run(0, count, downloads=[(first, 0, 16)])
            whole.append(js.performance.now() - start)
            encode.append(commands.encode_ms)
        times = await commands.time(0, 4, 100)
        start = js.performance.now()
        (pipeline,) = await gpu.pipelines([SCALE])
        compile_ms = js.performance.now() - start
        both = [(first, second), (second, first)]
        calls = [GpuCall(pipeline, both[i % 2], WORDS_AT * i, 12, (1, 1, 1)) for i in range(count)]
        start = js.performance.now()
        again = await gpu.commands(calls, words)
        prepare_ms = js.performance.now() - start
        again.dispose()
        return {
            "encode_ms": (min(encode), sorted(encode)[runs // 2]),
            "run_ms": (min(whole), sorted(whole)[runs // 2]),
            "call_ms": times,
            "compile_ms": compile_ms,
            "prepare_ms": prepare_ms,
        }
