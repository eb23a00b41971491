"""How long a run would take on a device: rough rates by kind of processor, to tell ten times from twice.

What is near is not told apart by these but by a timed run (see `choose.settle`).
"""

from dataclasses import dataclass, replace

from intab.browser.facts import DeviceFacts
from intab.browser.gpu_info import GpuInfo
from intab.browser.probe import PACKED_DOT
from intab.browser.wasm_features import RELAXED_SIMD
from intab.runtime.demand import Demand, Variant

FLOAT32, FLOAT16, INT8, INT4 = PRECISIONS = ("float32", "float16", "int8", "int4")


@dataclass(frozen=True, slots=True)
class Rate:
    """1e9 floating-point operations and bytes a second, ms that each run takes besides, and each step."""

    gflops: float
    gbytes: float
    run_ms: float
    step_ms: float

    def run(self, flops: float, nbytes: float, steps: int) -> float:
        """Milliseconds of a run: what is slower of computing and moving, and what every run and step cost."""
        busy_ms = max(flops / self.gflops, nbytes / self.gbytes) / 1e6
        return self.run_ms + steps * self.step_ms + busy_ms


# One thread. Measured with relaxed SIMD and without: docs/performance.md; matrices of 1024.
WASM = Rate(gflops=45, gbytes=8, run_ms=0.05, step_ms=0.001)
PLAIN_SIMD = 33 / 46
# A phone's cores against a desktop's, and what each thread after the first adds.
MOBILE = 0.4
FURTHER_THREAD = 0.9
# Eight-bit products against floats on WebAssembly, measured; other forms are turned into floats on the way.
WASM_INT8 = 1.4
# numpy's loops of the reference back end.
REFERENCE = Rate(gflops=1, gbytes=1, run_ms=1, step_ms=0.1)

# What good kernels get out of GPUs of a kind; a run ends with reading back, which waits for the queue.
DISCRETE = Rate(gflops=3000, gbytes=250, run_ms=2, step_ms=0.01)
UNIFIED = Rate(gflops=1000, gbytes=60, run_ms=2, step_ms=0.01)
INTEGRATED = Rate(gflops=250, gbytes=25, run_ms=2, step_ms=0.015)
POCKET = Rate(gflops=120, gbytes=12, run_ms=4, step_ms=0.03)
# A processor that plays a GPU, for each of its cores; measured.
SOFTWARE = Rate(gflops=4, gbytes=2, run_ms=2, step_ms=0.05)
BY_VENDOR = {
    "nvidia": DISCRETE,
    "apple": UNIFIED,
    "qualcomm": POCKET,
    "arm": POCKET,
    "img-tec": POCKET,
    "imagination": POCKET,
    "samsung": POCKET,
}
# Where a vendor makes both, the architectures of cards of their own. What is not known counts as integrated.
DISCRETE_ARCHITECTURES = ("xe-hpg", "xe-2hpg", "gen-12hp", "xe-hpc")
# Without subgroups products go by workgroup memory: measured on the software adapter, 6.5 against 8.7 GFLOP/s.
NO_SUBGROUPS = 0.75
# What halves gain where products are not held up by memory (their sums are 32-bit), bytes by packed products.
GPU_FLOAT16, GPU_INT8 = 1.3, 2.0


def wasm_rate(device: DeviceFacts, threads: int) -> Rate:
    """WebAssembly on so many threads of a device."""
    gflops = WASM.gflops * (1.0 if RELAXED_SIMD in (device.wasm or ()) else PLAIN_SIMD)
    if is_mobile(device):
        gflops *= MOBILE
    return replace(WASM, gflops=gflops * (1 + FURTHER_THREAD * (threads - 1)))


def gpu_rate(gpu: GpuInfo, processors: int) -> Rate:
    """An adapter, by its kind."""
    if gpu.is_software:
        return replace(SOFTWARE, gflops=SOFTWARE.gflops * processors)
    rate = DISCRETE if gpu.architecture in DISCRETE_ARCHITECTURES else BY_VENDOR.get(gpu.vendor.lower(), INTEGRATED)
    return rate if gpu.subgroup_sizes else replace(rate, gflops=rate.gflops * NO_SUBGROUPS)


def is_mobile(device: DeviceFacts) -> bool:
    """Whether the browser says that it runs on a phone or tablet."""
    return any(word in device.agent for word in ("Android", "iPhone", "iPad", "Mobile"))


def estimated_ms(device: DeviceFacts, demand: Demand, backend: str, variant: Variant, threads: int) -> float:
    """Milliseconds of one run, roughly."""
    nbytes = demand.values_nbytes + weights_nbytes(device, backend, variant)
    if backend == "webgpu" and device.webgpu is not None:
        rate = gpu_rate(device.webgpu, device.processors)
        has_halves = variant.precision == FLOAT16 and "shader-f16" in device.webgpu.features
        if has_halves:
            nbytes -= demand.values_nbytes // 2
        packed = variant.precision == INT8 and PACKED_DOT in device.webgpu.language_features
        gain = GPU_FLOAT16 if has_halves else GPU_INT8 if packed else 1.0
    else:
        rate = wasm_rate(device, threads) if backend == "wasm" else REFERENCE
        gain = WASM_INT8 if backend == "wasm" and variant.precision == INT8 else 1.0
    return rate.run(demand.flops / gain, nbytes, demand.steps)


def weights_nbytes(device: DeviceFacts, backend: str, variant: Variant) -> int:
    """Bytes of the weights on the device: halves are widened where it cannot compute with them."""
    halves = backend == "webgpu" and device.webgpu is not None and "shader-f16" in device.webgpu.features
    return variant.weights_nbytes * (2 if variant.precision == FLOAT16 and not halves else 1)
