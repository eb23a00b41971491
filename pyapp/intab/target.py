"""What a device is to a compiler."""

from dataclasses import dataclass, fields, replace

from intab.dtypes import DType


@dataclass(frozen=True, slots=True)
class Target:
    """All that passes, families and generators need to know of a device.

    `lanes` is the count of 32-bit values in a vector register, `registers` how many such registers a
    kernel may hold without spilling, `features` are names such as "relaxed-simd", "threads", "shader-f16" or `HALVES`,
    `layout` is the order of a picture's axes that kernels prefer.

    Of a GPU: `subgroup` is how many invocations run in step and can tell each other numbers, 0 where kernels had
    better not count on any; `team_limit` the most invocations of a workgroup, `shared_nbytes` the memory that they may
    share, `binding_nbytes` the most that a kernel may see of one buffer, `most_buffers` how many buffers one may have.
    All are 0 where there is no GPU.

    `choices` are pairs of a problem and the shape that was found to be fastest for it on the device (`ops.ways`);
    `refused` pairs of a problem and a shape that its compiler does not take.
    """

    language: str
    lanes: int
    registers: int
    features: frozenset[str] = frozenset()
    layout: str = "NHWC"
    subgroup: int = 0
    team_limit: int = 0
    shared_nbytes: int = 0
    binding_nbytes: int = 0
    most_buffers: int = 0
    choices: tuple[tuple[str, str], ...] = ()
    refused: frozenset[tuple[str, str]] = frozenset()

    def has(self, feature: str) -> bool:
        return feature in self.features

    @property
    def key(self) -> tuple[tuple[str, object], ...]:
        """All of it in one order: GPUs with the same features may differ in their subgroups or in what they share.

        Without what was found out by trying: programs say themselves what they have made of that.
        """
        values = ((field.name, getattr(self, field.name)) for field in fields(self) if field.name not in TRIED)
        return tuple((name, tuple(sorted(value)) if isinstance(value, frozenset) else value) for name, value in values)

    def with_feature(self, feature: str) -> "Target":
        """The same target with one more feature."""
        return replace(self, features=self.features | {feature})

    @property
    def may_alias(self) -> bool:
        """Whether a kernel may write a buffer that it reads under another name. WebGPU forbids that (section 3.4.5 of
        its specification, "synchronization")."""
        return self.language == "wasm"

    @property
    def small_items(self) -> bool:
        """Whether an item of a kernel had better be one vector of its result.

        A GPU runs thousands of items at once, each of them slowly; elsewhere an item is a call that must be worth it.
        """
        return self.language != "wasm"

    def has_dtype(self, dtype: DType) -> bool:
        """Whether it has numbers of a dtype in memory. Shading languages have no 64 bits; i64 stands for those that fit
        into 32."""
        return self.language == "wasm" or dtype.name not in ("f64", "u64", "str")

    def stored_nbytes(self, dtype: DType) -> int:
        """Bytes of one element in the memory of the device. Shading languages have 32-bit words, and f16 at most."""
        if self.language == "wasm" or (dtype.name == "f16" and self.has("shader-f16")):
            return dtype.itemsize
        return SHADER_WORD_NBYTES


SHADER_WORD_NBYTES = 4
HALVES = "halves"
"""The feature of a target whose programs keep values and weights of float32 in 16 bits, where these do."""
TRIED = ("choices", "refused")

# x86-64 gives V8 sixteen 128-bit registers; ARM gives 32, but one module must suit both.
WASM_SIMD = Target("wasm", lanes=4, registers=16)
WASM_RELAXED_SIMD = Target("wasm", lanes=4, registers=16, features=frozenset({"relaxed-simd"}))
# What WebGPU guarantees everywhere (its "default limits"); 128 vectors are what GPUs hold without spilling.
WEBGPU = Target(
    "wgsl",
    lanes=4,
    registers=128,
    team_limit=256,
    shared_nbytes=16_384,
    binding_nbytes=128 * 1024**2,
    most_buffers=8,
)
