"""What a device is to a compiler."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Target:
    """All that passes, families and generators need to know of a device.

    `lanes` is the count of 32-bit values in a vector register, `registers` how many such registers a
    kernel may hold without spilling, `features` are names such as "relaxed-simd", "threads" or "shader-f16",
    `layout` is the order of a picture's axes that kernels prefer.
    """

    language: str
    lanes: int
    registers: int
    features: frozenset[str] = frozenset()
    layout: str = "NHWC"

    def has(self, feature: str) -> bool:
        return feature in self.features

    def with_feature(self, feature: str) -> "Target":
        """The same target with one more feature."""
        return replace(self, features=self.features | {feature})


# x86-64 gives V8 sixteen 128-bit registers; ARM gives 32, but one module must suit both.
WASM_SIMD = Target("wasm", lanes=4, registers=16)
WASM_RELAXED_SIMD = Target("wasm", lanes=4, registers=16, features=frozenset({"relaxed-simd"}))
