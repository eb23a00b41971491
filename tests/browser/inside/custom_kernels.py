"""Inside Pyodide: kernels that an author wrote, so that only numbers and words come out to the test."""

import gc

import numpy as np

import intab
from intab.backends.webgpu.device import shared_gpu
from intab.browser import proxies
from intab.errors import IntabError

X1 = np.linspace(-3, 3, 24, dtype=np.float32).reshape(4, 6)
X2 = np.linspace(5, 7, 24, dtype=np.float32).reshape(4, 6)
BODY = "out[i] = a[i] * 2.0 + b[i];"
FLOATS = {"a": "float32", "b": "float32"}
OUT = {"out": "float32"}
TILED = """
override TILE: u32 = 8;
struct Sizes { m: u32, n: u32, k: u32, scale: f32, }
@group(0) @binding(3) var<uniform> sizes: Sizes;   // @group(0) @binding(9) var<storage> no: array<f32>;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
var<workgroup> left: array<f32, TILE * TILE>;
var<workgroup> right: array<f32, TILE * TILE>;

@compute @workgroup_size(TILE, TILE)
fn tiled(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_id) own: vec3<u32>) {
  var sum = 0.0;
  for (var begin = 0u; begin < sizes.k; begin += TILE) {
    let at = own.y * TILE + own.x;
    left[at] = select(0.0, a[id.y * sizes.k + begin + own.x], id.y < sizes.m && begin + own.x < sizes.k);
    right[at] = select(0.0, b[(begin + own.y) * sizes.n + id.x], begin + own.y < sizes.k && id.x < sizes.n);
    workgroupBarrier();
    for (var k = 0u; k < TILE; k++) { sum += left[own.y * TILE + k] * right[k * TILE + own.x]; }
    workgroupBarrier();
  }
  if (id.y < sizes.m && id.x < sizes.n) { c[id.y * sizes.n + id.x] = sum * sizes.scale; }
}

@compute @workgroup_size(64)
fn naive(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= sizes.m * sizes.n) { return; }
  var sum = 0.0;
  for (var k = 0u; k < sizes.k; k++) { sum += a[id.x / sizes.n * sizes.k + k] * b[k * sizes.n + id.x % sizes.n]; }
  c[id.x] = sum * sizes.scale;
}
"""
HISTOGRAM = """
@group(0) @binding(0) var<storage, read> bytes: array<u32>;
@group(0) @binding(1) var<storage, read_write> counts: array<atomic<u32>, 4>;
@group(0) @binding(2) var<storage, read_write> seen: array<vec2<f32>>;
@compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3<u32>) {
  atomicAdd(&counts[bytes[id.x] % 4u], 1u);
  seen[id.x] = vec2<f32>(f32(bytes[id.x]), f32(arrayLength(&bytes)));
}
"""


async def error_of(awaitable):
    """[name, words] of the IntabError that `awaitable` ends in; any other exception is a bug and passes."""
    try:
        result = await awaitable
    except IntabError as error:
        return [type(error).__name__, str(error)]
    return ["none", repr(result)[:200]]


def difference(got, wanted):
    """The largest difference, of arrays that must have one dtype and shape."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape), (got.dtype, got.shape, wanted.dtype, wanted.shape)
    return float(np.abs(got.astype(np.float64) - wanted.astype(np.float64)).max(initial=0))


async def bodies():
    """Text for one element: differences to numpy."""
    add = await intab.gpu().kernel(BODY, inputs=FLOATS, outputs=OUT)
    mixed = await intab.gpu().kernel(
        "let twice = n * 2;\nout[i] = u32(a[i]) + u32(twice); // i32 and u32\nlast[i] = f32(i) * scale;",
        inputs={"a": "int64"},
        outputs={"out": "uint8", "last": "float32"},
        uniforms={"n": "int32", "scale": "float32"},
        workgroup_size=32,
    )
    many = np.arange(5_000_000, dtype=np.float32)
    found = await mixed(a=np.arange(100, dtype=np.int64), n=3, scale=0.5)
    sized = await mixed(a=np.arange(100, dtype=np.int64), n=3, scale=0.5, shape={"out": 100, "last": (10, 11)})
    return [
        difference(await add(a=X1, b=X2, shape=X1.shape), X1 * 2 + X2),
        difference(await add(X1, X2), X1 * 2 + X2),
        difference(await add(X1.tolist(), X2.tolist()), X1 * 2 + X2),
        difference(await add(many, many), many * 3),
        difference(await add(X1[:0], X2[:0]), X1[:0]),
        difference(found["out"], np.arange(6, 106, dtype=np.uint8)),
        difference(found["last"], np.arange(100, dtype=np.float32) * np.float32(0.5)),
        difference(sized["last"].reshape(-1), np.arange(110, dtype=np.float32) * np.float32(0.5)),
    ]


async def functions():
    """Functions of Python: differences to numpy, relative to the largest number."""
    cases = {
        "same": (lambda a, b: a * 2 + b, (X1, X2)),
        "rows": (lambda a, b: np.exp(-a) * b, (X1, X2[0])),
        "columns": (lambda a, b: np.where(a > b, a, b), (X1, X2[:, :1])),
        "both": (lambda a, b: a - b, (X1[:, :1], X2[0])),
        "numbers": (lambda a, gain: np.tanh(a) * gain, (X1, np.float32(3))),
        "odd": (lambda a, b: a + b, (X1.reshape(-1)[:7], X2.reshape(-1)[:7])),
        "three": (lambda a, b: a * b, (np.ones((3, 1, 5), np.float32), np.ones((2, 1), np.float32) * 4)),
        "one": (lambda a: a + 1, (np.float32(2),)),
        "none": (lambda a: a + 1, (X1[:0],)),
        "turned": (lambda a: a + 1, (X1.T,)),
    }
    errors = {}
    for name, (function, arrays) in cases.items():
        kernel = await intab.gpu().kernel(function)
        errors[name] = difference(await kernel(*arrays), np.asarray(function(*arrays), np.float32))
    bytes_ = np.array([0, 1, 100, 200, 255], np.uint8)
    lighter = await intab.gpu().kernel(lambda x: np.minimum(x * 2, 255).astype("uint8"), inputs={"x": "uint8"})
    wanted = np.minimum(bytes_.astype(int) * 2, 255).astype(np.uint8)
    errors["bytes"] = difference(await lighter(bytes_), wanted)
    above = await intab.gpu().kernel(lambda x, y: (x > 100) | y, inputs={"x": "uint8", "y": "bool"})
    flags = np.array([True, False, False, False, False])
    errors["bools"] = difference(await above(bytes_, flags), (bytes_ > 100) | flags)
    return errors


async def whole():
    """Whole shaders: differences to numpy of a product in two ways, tiles of two sizes, and what others find."""
    m, n, k = 37, 29, 45
    random = np.random.default_rng(1)
    a, b = (random.standard_normal(shape, np.float32) for shape in ((m, k), (k, n)))
    sizes = {"m": m, "n": n, "k": k, "scale": 0.5}
    wanted = a @ b * np.float32(0.5)
    found = []
    for tile in (8, 16):
        tiled = await intab.gpu().kernel(TILED, entry_point="tiled", constants={"TILE": tile})
        c = await tiled(a, b, **sizes, shape=(m, n), workgroups=(-(-n // tile), -(-m // tile)))
        found.append(difference(c, wanted))
    naive = await intab.gpu().kernel(TILED, entry_point="naive", name="naive")
    found.append(difference(await naive(a=a, b=b, **sizes, shape=(m, n), workgroups=-(-m * n // 64)), wanted))
    histogram = await intab.gpu().kernel(HISTOGRAM)
    bytes_ = np.array([0, 1, 5, 7, 3, 255, 2], np.uint8)
    result = await histogram(bytes=bytes_, shape={"counts": 4, "seen": (7, 2)}, workgroups=(7,))
    more = await histogram(bytes=bytes_, counts=result["counts"], shape={"seen": (7, 2)}, workgroups=7)
    ms = await tiled.time(a, b, **sizes, shape=(m, n), workgroups=(2, 3), repeats=3)
    return found, result["counts"].tolist(), more["counts"].tolist(), result["seen"].tolist(), 0 < ms < 10_000


async def kept():
    """Results that stay on the device, given to other kernels and read back."""
    gpu = intab.gpu()
    add = await gpu.kernel(BODY, inputs=FLOATS, outputs=OUT)
    square = await gpu.kernel(lambda x: x * x)
    histogram = await gpu.kernel(HISTOGRAM)
    tensor = await add(X1, X2, keep=True)
    again = await square(tensor, keep=True)
    counts = (
        await histogram(bytes=np.ones(3, np.uint8), shape={"counts": 4, "seen": (3, 2)}, workgroups=3, keep=True)
    )["counts"]
    more = await histogram(bytes=np.ones(3, np.uint8), counts=counts, shape={"seen": (3, 2)}, workgroups=3)
    same = await add(tensor, tensor)
    wanted = X1 * 2 + X2
    said = [tensor.backend, list(tensor.shape), tensor.dtype.name]
    found = [
        difference(await tensor.numpy(), wanted),
        difference(await again.numpy(), wanted * wanted),
        difference(same, wanted * 3),
        (await counts.numpy()).tolist(),
        more["counts"].tolist(),
    ]
    again.dispose()
    disposed = await error_of(square(again))
    for one in (tensor, counts):
        one.dispose()
    return said, found, disposed


async def refused():
    """The errors of what is wrong with a kernel or a call, each by name."""
    kernel = intab.gpu().kernel
    add = await kernel(BODY, inputs=FLOATS, outputs=OUT, name="add")
    tiled = await kernel(TILED, entry_point="tiled", name="matmul")
    square = await kernel(lambda x: x * x, name="square")
    sizes = {"m": 4, "n": 6, "k": 4, "scale": 1}
    return {
        "text": await error_of(kernel("let x = a[i];\n  out[i] = x * wrong;", inputs={"a": "float32"}, outputs=OUT)),
        "types": await error_of(kernel("out[i] = 1u + a[i];", inputs={"a": "float32"}, outputs=OUT, name="bad")),
        "whole": await error_of(kernel(TILED.replace("sum += left", "sum += lefd"), entry_point="tiled")),
        "cut": await error_of(kernel("out[i] = (a[i];", inputs={"a": "float32"}, outputs=OUT)),
        "entry": await error_of(kernel(TILED)),
        "no entry": await error_of(kernel(TILED, entry_point="fast")),
        "no outputs": await error_of(kernel(BODY, inputs=FLOATS)),
        "taken": await error_of(kernel(BODY, inputs={"i": "float32"}, outputs=OUT)),
        "double": await error_of(kernel(BODY, inputs={"a": "float64", "b": "float64"}, outputs=OUT)),
        "no dtype": await error_of(kernel(BODY, inputs={"a": "real"}, outputs=OUT)),
        "uniform": await error_of(kernel(BODY, inputs=FLOATS, outputs=OUT, uniforms={"n": "uint8"})),
        "bindings": await error_of(kernel(TILED.replace("@binding(1)", "@binding(0)"), entry_point="naive")),
        "missing": await error_of(add(a=X1)),
        "unknown": await error_of(add(a=X1, b=X2, c=X1)),
        "too many": await error_of(add(X1, X2, X1)),
        "dtype": await error_of(add(a=X1.astype(np.float64), b=X2)),
        "shape": await error_of(add(a=X1, b=X2[0])),
        "no uniform": await error_of(tiled(X1, X2, shape=(4, 6), workgroups=1)),
        "a word": await error_of(tiled(X1, X2, **{**sizes, "m": 0.5}, shape=(4, 6), workgroups=1)),
        "no groups": await error_of(tiled(X1, X2, **sizes, shape=(4, 6))),
        "many groups": await error_of(tiled(X1, X2, **sizes, shape=(4, 6), workgroups=(1, 70_000))),
        "no shape": await error_of(tiled(X1, X2, **sizes, workgroups=1)),
        "element": await error_of(tiled(X1.astype(np.int32), X2, **sizes, shape=(4, 6), workgroups=1)),
        "negative": await error_of(add(X1, X2, shape=(-1,))),
        "broadcast": await error_of((await kernel(lambda a, b: a + b, name="sum"))(X1, X2.T)),
        "function": await error_of(square(X1.astype(np.int32))),
        "branch": await error_of(kernel(lambda x: x if x > 0 else 0)),
        "works": await error_of(add(X1[0, :1] * 0 + 1, X1[0, :1] * 0)),
    }


async def lost():
    """A kernel after its device was lost: another device is asked for."""
    add = await intab.gpu().kernel(BODY, inputs=FLOATS, outputs=OUT)
    tensor = await add(X1, X2, keep=True)
    (await shared_gpu())._device.js.destroy()
    found = difference(await add(X1, X2), X1 * 2 + X2)
    return found, await error_of(add(tensor, X2))


async def flat(runs):
    """What is held before and after many calls of each kind."""
    add = await intab.gpu().kernel(BODY, inputs=FLOATS, outputs=OUT)
    square = await intab.gpu().kernel(lambda x: x * x)

    async def call():
        async with await add(X1, X2, keep=True) as tensor:
            await square(tensor)

    for _ in range(3):
        await call()
    gc.collect()
    before = proxies.live()
    for _ in range(runs):
        await call()
    gc.collect()
    return before, proxies.live()
