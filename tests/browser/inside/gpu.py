"""Inside Pyodide: a GPU device put through its paces, so that only numbers and words come out to the test."""

import asyncio
import gc
import struct
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

import js
import pyodide_js

from intab.browser import gpu as gpu_module
from intab.browser import proxies
from intab.browser.gpu import GpuCall, GpuShader, request_gpu
from intab.browser.net import JsStorage
from intab.errors import IntabError

HEAD = """
struct Words { count: u32, factor: f32, add: f32 }
@group(0) @binding(0) var<uniform> words: Words;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) place: vec3<u32>) {
"""
ACCESS = ("read", "read_write")
# result[i] = source[i] * factor + add, for so many i as the words say.
SCALE = GpuShader(
    "scale",
    HEAD + "if (place.x < words.count) { result[place.x] = source[place.x] * words.factor + words.add; }\n}",
    ACCESS,
)
# The same, so many times over as the words say.
SLOW = GpuShader(
    "slow",
    HEAD
    + """
  var sum = source[place.x & 3u];
  for (var step = 0u; step < words.count; step++) { sum = sum * words.factor + words.add; }
  result[place.x & 3u] = sum;
}""",
    ACCESS,
)
WRONG = GpuShader("wrong", HEAD + "result[place.x] = source[place.x] * missing;\n}", ACCESS)
NO_BUFFERS = GpuShader("nothing", "@compute @workgroup_size(1) fn main() {}", ())
# Watches a device: the bytes of its buffers that were not destroyed.
COUNTED_BUFFERS = """(device) => {
  const held = new Set();
  const make = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = make(descriptor);
    held.add(buffer);
    buffer.destroy = () => { held.delete(buffer); GPUBuffer.prototype.destroy.call(buffer); };
    return buffer;
  };
  return () => [...held].reduce((sum, { size }) => sum + size, 0);
}"""
WORDS_AT, WORDS_NBYTES = 256, 12
SLOW_STEPS = 1 << 22  # a second and more on a processor


def words_of(count, factor, add):
    return memoryview(struct.pack("<Iff", count, factor, add))


def packed(*numbers):
    return memoryview(struct.pack(f"<{len(numbers)}f", *numbers))


def floats(data):
    return list(struct.unpack(f"<{len(data) // 4}f", data))


async def error_of(awaitable):
    """[name, words] of the IntabError that `awaitable` ends in; any other exception is a bug and passes."""
    try:
        result = await awaitable
    except IntabError as error:
        return [type(error).__name__, str(error)]
    return ["none", repr(result)[:200]]


async def called(function, *arguments):
    return function(*arguments)


@asynccontextmanager
async def device():
    """A device, disposed of on leaving."""
    gpu = await request_gpu()
    try:
        yield gpu
    finally:
        gpu.dispose()


@asynccontextmanager
async def scaling(gpu, *, count=4, calls=1, shader=SCALE, groups=(1, 1, 1)):
    """Commands that scale the first of two buffers of `count` floats into the second, back, ..., and the buffers."""
    first, second = await gpu.buffers([("first", 4 * count), ("second", 4 * count)])
    (words,) = await gpu.buffers([("words", WORDS_AT * calls)], uniform=True)
    (pipeline,) = await gpu.pipelines([shader])
    both = [(first, second), (second, first)]
    commands = await gpu.commands(
        [GpuCall(pipeline, both[i % 2], WORDS_AT * i, WORDS_NBYTES, groups) for i in range(calls)], words
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
        return {
            "name": gpu.info.name,
            "software": gpu.info.is_software,
            "features": sorted(gpu.info.features),
            "limits": gpu.info.limits,
            "subgroups": gpu.info.subgroup_sizes,
            "language": sorted(gpu.info.language_features),
            "lost": gpu.lost,
        }


async def story():
    """Write, run parts of a list, read."""
    async with device() as gpu, scaling(gpu, count=5, calls=3) as (commands, first, second, words):
        gpu.write(first, 0, packed(1, 2, 3, 4, 5))
        for index, (factor, add) in enumerate([(2, 0), (1, 10), (-1, 0)]):
            gpu.write(words, WORDS_AT * index, words_of(5, factor, add))
        seen = [await commands.run(0, 2, downloads=[(first, 0, 20), (second, 4, 8)])]
        seen.append(await commands.run(2, 3, downloads=[(second, 0, 20)]))
        upload = (first, 4, packed(7, 8))
        seen.append(await commands.run(0, 0, uploads=[upload], downloads=[(first, 0, 12)]))
        seen.append(await gpu.read([(first, 8, 4)]))
        return [[floats(data) for data in run] for run in seen]


async def bytes_anywhere():
    """Bytes written and read where no word begins or ends."""
    async with device() as gpu:
        (buffer,) = await gpu.buffers([("bytes", 13)])
        gpu.write(buffer, 0, memoryview(bytes(range(1, 14))))
        gpu.write(buffer, 4, memoryview(b"abcde"))
        parts = [(buffer, offset, nbytes) for offset, nbytes in [(0, 13), (3, 2), (1, 0), (6, 7), (0, 1)]]
        read = [list(data) for data in await gpu.read(parts)]
        errors = [
            await error_of(called(gpu.write, buffer, 2, memoryview(b"abcd"))),
            await error_of(called(gpu.write, buffer, 12, memoryview(b"abcde"))),
            await error_of(gpu.read([(buffer, 12, 5)])),
            await error_of(gpu.read([(buffer, -4, 4)])),
        ]
        buffer.destroy()
        buffer.destroy()
        errors.append(await error_of(gpu.read([(buffer, 0, 4)])))
        return read, errors


async def nothing():
    """What is empty: buffers, lists, workgroups, uploads, downloads, and a shader that binds no buffer."""
    async with device() as gpu, scaling(gpu, count=0) as (commands, first, second, words):
        gpu.write(first, 0, memoryview(b""))
        gpu.write(words, 0, words_of(1, 2, 3))
        await commands.run(0, 1, uploads=[(first, 0, memoryview(b""))])
        empty = await commands.run(0, 1, downloads=[(second, 0, 0)])
        reads = [await commands.run(0, 0), ["empty" for data in empty if data == b""], await gpu.read([])]
        sizes = [first.nbytes, len((await gpu.read([(second, 0, first.nbytes)]))[0])]
        none, (plain,) = await gpu.commands([], words), await gpu.pipelines([NO_BUFFERS])
        alone = await gpu.commands([GpuCall(plain, (), 0, 0, (1, 1, 1))], words)
        reads += [await none.run(0, 0), await alone.run(0, 1)]
        times = [await none.time(0, 0), len(await alone.time(0, 1))]
        async with scaling(gpu, groups=(1, 0, 1)) as (idle, _, target, more_words):
            gpu.write(more_words, 0, words_of(4, 1, 1))
            reads.append([list(data) for data in await idle.run(0, 1, downloads=[(target, 0, 4)])])
            times.append(len(await idle.time(0, 1)))
        none.dispose()
        alone.dispose()
        return sizes, reads, times, await gpu.buffers([])


async def long_list(calls):
    """What comes out of so many calls, each of which adds 1."""
    async with device() as gpu, scaling(gpu, calls=calls) as (commands, first, second, words):
        gpu.write(words, 0, memoryview(b"".join(bytes(words_of(4, 1, 1)).ljust(WORDS_AT, b"\0") for _ in range(calls))))
        whole = await commands.run(0, calls, downloads=[(first, 0, 16), (second, 0, 16)])
        part = await commands.run(2, calls - 2, downloads=[(first, 0, 16), (second, 0, 16)])
        return [floats(data)[0] for data in (*whole, *part)]


async def refused():
    """The errors of what WebGPU or intab refuses, each by name; and whether the device works on."""
    async with device() as gpu, scaling(gpu) as (commands, first, _, words):
        (scale,) = await gpu.pipelines([SCALE])
        limit = gpu.info.limits["maxBufferSize"]

        async def run(call):
            made = await gpu.commands([call], words)
            try:
                await made.run(0, 1)
            finally:
                made.dispose()

        small = GpuShader("small", SCALE.text, ("read",))
        errors = {
            "shader": await error_of(gpu.pipelines([SCALE, WRONG])),
            "access": await error_of(gpu.pipelines([small])),
            "size": await error_of(gpu.buffers([("some", 4), ("absurd", limit + 1), ("more", 4)])),
            "very absurd": await error_of(gpu.buffers([("very absurd", 1 << 60)])),
            "too few": await error_of(run(GpuCall(scale, (first,), 0, WORDS_NBYTES, (1, 1, 1)))),
            "both": await error_of(run(GpuCall(scale, (first, first), 0, WORDS_NBYTES, (1, 1, 1)))),
            "groups": await error_of(run(GpuCall(scale, (first, first), 0, WORDS_NBYTES, (1 << 20, 1, 1)))),
            "words": await error_of(run(GpuCall(scale, (first, first), 1 << 20, WORDS_NBYTES, (1, 1, 1)))),
            "calls": await error_of(commands.run(0, 2)),
            "repeats": await error_of(commands.time(0, 1, 0)),
        }
        commands.dispose()
        errors["disposed"] = await error_of(commands.run(0, 1))
        kinds = [type(one).__name__ for one in await gpu.try_pipelines([WRONG, SCALE, WRONG])]
    return errors, kinds, await story()


async def no_memory():
    """What becomes of buffers when the device says, in its scopes, that memory cannot be had."""
    async with device() as gpu, scaling(gpu) as (commands, first, *_):
        say = js.eval("(device) => { device.popErrorScope = async () => new GPUOutOfMemoryError('none is left'); }")
        say(gpu._device.js)
        before = proxies.live()
        errors = [
            await error_of(gpu.buffers([("weights", 1000), ("arena", 2000)])),
            await error_of(commands.run(0, 1, downloads=[(first, 0, 4)])),
        ]
        js.eval("(device) => { delete device.popErrorScope; }")(gpu._device.js)
        works = len(await commands.run(0, 1, downloads=[(first, 0, 4)]))
        return errors, before == proxies.live(), works, gpu._device.script.stagingMade


async def wrong_meanwhile():
    """What runs end in when the device finds something wrong that nobody waited for, and when memory is gone."""
    async with device() as gpu, scaling(gpu) as (commands, first, *_):
        js.eval("(device) => void device.createBuffer({ label: 'unasked', size: 4, usage: 0 })")(gpu._device.js)
        await asyncio.sleep(0.2)
        errors = [await error_of(commands.run(0, 1)) for _ in range(2)]
        first.destroy()
        return [*errors, await error_of(commands.run(0, 1)), await error_of(gpu.commands([], first))]


async def buffers_cancelled():
    """The bytes that the device holds for buffers which nobody waits for any more, as far as they were destroyed."""
    async with device() as gpu:
        held_nbytes = js.eval(COUNTED_BUFFERS)(gpu._device.js)
        pending = asyncio.create_task(gpu.buffers([("one", 1000), ("other", 2000)]))
        await asyncio.sleep(0)
        held_then = held_nbytes()
        pending.cancel()
        await asyncio.wait([pending])
        await asyncio.sleep(0.2)
        return held_then, pending.cancelled(), held_nbytes()


async def lost_between(how):
    """The errors of all that is asked of a device that was lost, or disposed of, before."""
    gpu = await request_gpu()
    async with scaling(gpu) as (commands, first, _, words):
        if how == "destroyed":
            gpu._device.js.destroy()
            at_once = await error_of(commands.run(0, 1, downloads=[(first, 0, 4)]))
        else:
            gpu.dispose()
            at_once = None
        errors = [
            await error_of(commands.run(0, 1, downloads=[(first, 0, 4)])),
            await error_of(commands.time(0, 1)),
            await error_of(gpu.buffers([("late", 4)])),
            await error_of(gpu.pipelines([SCALE])),
            await error_of(gpu.commands([], words)),
            await error_of(called(gpu.write, first, 0, packed(1))),
            await error_of(gpu.read([(first, 0, 4)])),
        ]
        said = gpu.lost
    gpu.dispose()
    gpu.dispose()
    return at_once, errors, said


async def lost_within(what):
    """What a run, a measurement, a compilation or new memory ends in when the device is lost meanwhile; then again."""
    gpu = await request_gpu()
    async with scaling(gpu, shader=SLOW) as (commands, first, _, words):
        gpu.write(words, 0, words_of(SLOW_STEPS, 1, 0))
        work = {
            "run": lambda: commands.run(0, 1, downloads=[(first, 0, 16)]),
            "run without downloads": lambda: commands.run(0, 1),
            "time": lambda: commands.time(0, 1, 3),
            "pipelines": lambda: gpu.pipelines(
                [GpuShader(f"scale{n}", SCALE.text + f"//{n}", ACCESS) for n in range(9)]
            ),
            "buffers": lambda: gpu.buffers([("late", 1 << 20)]),
            "commands": lambda: gpu.commands([], words),
        }[what]
        pending = asyncio.create_task(error_of(work()))
        await asyncio.sleep(0.1 if what in ("run", "run without downloads", "time") else 0)
        was_pending = not pending.done()
        gpu._device.js.destroy()
        errors = [await pending, await error_of(commands.run(0, 1))]
        said = gpu.lost
    gpu.dispose()
    return was_pending, errors, said, await story()


async def disposed_within():
    """What a run ends in when the device is disposed of meanwhile."""
    gpu = await request_gpu()
    async with scaling(gpu, shader=SLOW) as (commands, first, _, words):
        gpu.write(words, 0, words_of(SLOW_STEPS, 1, 0))
        pending = asyncio.create_task(error_of(commands.run(0, 1, downloads=[(first, 0, 16)])))
        await asyncio.sleep(0.1)
        gpu.dispose()
        return await pending


async def cancelled():
    """A run is cancelled; the next ones give the right numbers, and staging buffers are not lost."""
    async with device() as gpu, scaling(gpu, shader=SLOW) as (commands, _, second, words):
        gpu.write(words, 0, words_of(SLOW_STEPS, 1, 0))
        pending = asyncio.create_task(commands.run(0, 1, downloads=[(second, 0, 16)]))
        await asyncio.sleep(0.1)
        pending.cancel()
        ends = []
        try:
            await pending
        except asyncio.CancelledError:
            ends.append("cancelled")
        gpu.write(words, 0, words_of(3, 1, 5))
        for _ in range(3):
            ends.append([floats(data) for data in await commands.run(0, 1, downloads=[(second, 0, 16)])])
        return ends, gpu._device.script.stagingMade


async def at_the_same_time(runs):
    """Runs that are all submitted before the first is awaited; each has its own numbers."""
    async with device() as gpu, scaling(gpu) as (commands, first, second, words):
        gpu.write(words, 0, words_of(4, 2, 1))
        uploads = [[(first, 0, packed(number, 0, 0, 0))] for number in range(runs)]
        waiting = [commands.run(0, 1, uploads=upload, downloads=[(second, 0, 4)]) for upload in uploads]
        results = await asyncio.gather(*waiting)
        return [floats(data)[0] for (data,) in results]


async def large(nbytes):
    """Bytes that JavaScript holds, written and read back; and how much Python's memory grew while they were written."""
    array = js.Uint8Array.new(nbytes)
    js.eval("(array) => { for (let i = 0; i < array.length; i += 4093) array[i] = i % 251; }")(array)
    storage = JsStorage("large", array)
    async with device() as gpu:
        (buffer,) = await gpu.buffers([("large", nbytes)])
        before = pyodide_js._module.HEAPU8.byteLength
        gpu.write_from(buffer, 0, storage, 1, nbytes - 1)
        grown = pyodide_js._module.HEAPU8.byteLength - before
        (data,) = await gpu.read([(buffer, 0, nbytes)])
        right = all(data[i - 1] == i % 251 for i in range(4093, nbytes, 4093)) and data[-1] == 0
        (part,) = await gpu.read([(buffer, nbytes - 8192, 4)])
        buffer.destroy()
    storage.dispose()
    return grown, right, part == data[nbytes - 8192 : nbytes - 8188]


async def timed(repeats):
    """Milliseconds of a slow call and a fast one, by the device's clock and by the wall's."""
    times = {}
    for clock, features in (("device", gpu_module.WANTED_FEATURES), ("wall", ())):
        with patch.object(gpu_module, "WANTED_FEATURES", features):
            async with device() as gpu, scaling(gpu, calls=2, shader=SLOW) as (commands, _, __, words):
                for index, steps in enumerate((1 << 20, 1)):
                    gpu.write(words, WORDS_AT * index, words_of(steps, 1, 0))
                await commands.run(0, 2)
                times[clock] = [
                    sorted(gpu.info.features),
                    await commands.time(0, 2, repeats),
                    await commands.time(1, 2),
                ]
    return times


async def many_calls_timed(count):
    """How many times come back where one set of queries does not do."""
    async with device() as gpu, scaling(gpu, calls=count) as (commands, *_):
        times = await commands.time(0, count)
        return len(times), min(times)


async def many_runs(count):
    """What is held before and after `count` runs of two sizes, and the staging buffers that were made in all."""
    async with device() as gpu, scaling(gpu, count=64, calls=20) as (commands, first, second, _):
        numbers = packed(*range(64))

        async def run(number):
            nbytes = 16 if number % 2 else 256
            await commands.run(0, 20, uploads=[(first, 0, numbers)], downloads=[(second, 0, nbytes), (first, 0, 4)])

        with counted_proxies():
            for number in range(20):
                await run(number)
            before = held()
            for number in range(count):
                await run(number)
            return before, held(), gpu._device.script.stagingMade


async def many_devices(count):
    """What is held before and after `count` devices, with all that can be had from one, and with errors."""

    async def once():
        await story()
        async with device() as gpu, scaling(gpu) as (commands, *_):
            await error_of(gpu.pipelines([WRONG]))
            await commands.time(0, 1)
            gpu._device.js.destroy()
            await error_of(commands.run(0, 1))

    with counted_proxies():
        for _ in range(3):
            await once()
        before = held()
        for _ in range(count):
            await once()
        return before, held()


class counted_proxies:
    """Have Pyodide count the Python objects that JavaScript holds."""

    def __enter__(self):
        pyodide_js._module.enable_pyproxy_allocation_tracing()

    def __exit__(self, *_):
        pyodide_js._module.disable_pyproxy_allocation_tracing()


def held():
    """What is held now, after a collection."""
    gc.collect()
    return {
        "JavaScript objects held by Python": pyodide_js._module.hiwire.num_keys(),
        "Python objects held by JavaScript": pyodide_js._module.pyproxy_alloc_map.size,
        "Python objects": len(gc.get_objects()),
        **{f"open: {kind}": count for kind, count in proxies.live().items()},
    }


begun: dict[str, Any] = {}


async def begin_slow_run():
    """Begin a run of a second and more; `end_slow_run` tells what became of it."""
    gpu = begun["gpu"] = await request_gpu()
    first, second = await gpu.buffers([("first", 16), ("second", 16)])
    (words,) = await gpu.buffers([("words", WORDS_NBYTES)], uniform=True)
    (slow,) = await gpu.pipelines([SLOW])
    gpu.write(words, 0, words_of(SLOW_STEPS, 1, 0))
    commands = await gpu.commands([GpuCall(slow, (first, second), 0, WORDS_NBYTES, (1, 1, 1))], words)
    begun["run"] = asyncio.create_task(error_of(commands.run(0, 1, downloads=[(second, 0, 16)])))
    await asyncio.sleep(0.1)
    return not begun["run"].done()


async def end_slow_run():
    """What the run ended in, what the device says, and what another device computes."""
    error, gpu = await begun["run"], begun["gpu"]
    said = gpu.lost
    gpu.dispose()
    return error, said, await story()


async def more_than_a_buffer_holds():
    """Downloads that fit into a buffer each but not together, read twice; and how many staging buffers were made."""
    async with device() as gpu, scaling(gpu, count=12) as (commands, first, second, words):
        gpu.write(first, 0, packed(*range(12)))
        gpu.write(second, 0, packed(*range(12)))
        gpu.write(words, 0, words_of(2, 2, 1))
        js.eval("(device) => Object.defineProperty(device, 'limits', { value: { maxBufferSize: 64 } })")(gpu._device.js)
        whole = [(first, 0, 48), (second, 0, 48)]
        parts = [(first, 5, 6), (second, 48, 0), (first, 0, 16), (second, 4, 4)]
        outs = [await commands.run(0, 1, downloads=whole + parts) for _ in range(2)]
        assert outs[0] == outs[1]
        *numbers, part, nothing, begin, one = outs[0]
        assert part == bytes(packed(*range(12)).cast("B")[5:11]) and nothing == b""
        return [floats(out) for out in (*numbers, begin, one)], gpu._device.script.stagingMade
