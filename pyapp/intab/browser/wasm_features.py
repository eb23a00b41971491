"""Which features of WebAssembly an engine has: each by a small module that validates only where it does."""

from collections.abc import Callable

SIMD, RELAXED_SIMD, THREADS, MEMORY64, EXCEPTIONS = "simd", "relaxed-simd", "threads", "memory64", "exceptions"

_HEAD = "0061736d01000000"
_ONE_FUNCTION = "0104016000000302 0100"
# In the text format, each within (module ...); tests have wasmtime refuse each where its feature is switched off.
PROBES: dict[str, bytes] = {
    name: bytes.fromhex(_HEAD + sections)
    for name, sections in {
        # (func (drop (i8x16.splat (i32.const 0))))
        SIMD: _ONE_FUNCTION + "0a090107 004100fd0f1a0b",
        # (func (drop (i8x16.relaxed_swizzle (i8x16.splat (i32.const 0)) (i8x16.splat (i32.const 0)))))
        RELAXED_SIMD: _ONE_FUNCTION + "0a10010e 004100fd0f 4100fd0f fd80021a0b",
        # (memory 1 1 shared) (func (drop (i32.atomic.load (i32.const 0))))
        THREADS: _ONE_FUNCTION + "0504010301 01 0a0b0109 004100fe1002001a0b",
        # (memory i64 1)
        MEMORY64: "0503010401",
        # (tag) (func (throw 0))
        EXCEPTIONS: _ONE_FUNCTION + "0d03010000 0a060104 0008000b",
    }.items()
}


def accepted(validate: Callable[[bytes], bool]) -> tuple[str, ...]:
    """The names of the features whose modules `validate` takes."""
    return tuple(name for name, module in PROBES.items() if validate(module))
