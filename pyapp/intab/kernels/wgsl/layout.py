"""How a shader is bound and dispatched, and how elements lie in its memory.

Everything is in bind group 0. Binding 0 is a uniform buffer, bound with a dynamic offset, of 32-bit words: the count of
items, one element offset a buffer, then the kernel's words. Bindings 1, 2, ... are the kernel's buffers in order.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from intab.dtypes import DTYPES, DType
from intab.errors import KernelError, UnsupportedOpError
from intab.kernels.ir import Kernel
from intab.target import Target

WORKGROUP_SIZE = 64
# WebGPU's default for maxComputeWorkgroupsPerDimension.
MOST_WORKGROUPS = 65535
WORD_NBYTES = 4

# What elements are in memory: every one has 32 bits, since shaders cannot store to less without disturbing neighbours.
# Numbers of 64 bits are those that fit into 32; whoever gives them to a kernel makes sure of that.
_STORED = {
    "f32": "f32",
    "i32": "i32",
    "u32": "u32",
    "i8": "i32",
    "i16": "i32",
    "i64": "i32",
    "bool": "u32",
    "u8": "u32",
    "u16": "u32",
    "f16": "f32",
}


@dataclass(frozen=True, slots=True)
class Shader:
    """A shader's text, with entry point `main`, and what the device must know to run it.

    `buffers` are (name, "read" or "read_write") from binding 1 on, as the text declares them; `words` are the (name,
    type) of binding 0 in order: "count", `o_` and a buffer's name, `w_` and a word's. `features` are those that the
    device must have been asked for; `team` is how many invocations compute an item.
    """

    text: str
    buffers: tuple[tuple[str, str], ...]
    words: tuple[tuple[str, str], ...]
    features: tuple[str, ...]
    team: int

    @property
    def words_nbytes(self) -> int:
        return WORD_NBYTES * len(self.words)


def stored_as(dtype: str, target: Target) -> DType:
    """The type in which elements of a dtype lie in a shader's memory. Raises UnsupportedOpError where there is none."""
    if dtype == "f16" and target.has("shader-f16"):
        return DTYPES["f16"]
    if dtype not in _STORED:
        raise UnsupportedOpError(f"WGSL has no {dtype}. Use the wasm back end, or one of {', '.join(_STORED)}.")
    return DTYPES[_STORED[dtype]]


def workgroups(count: int, team: int = 1) -> tuple[int, int, int]:
    """How many workgroups to dispatch for `count` items, in two dimensions when one does not do.

    One a team where several invocations compute an item, else one for every WORKGROUP_SIZE items.
    """
    groups = count if team > 1 else -(-count // WORKGROUP_SIZE)
    rows = max(-(-groups // MOST_WORKGROUPS), 1)
    return -(-groups // rows), rows, 1


def words_layout(kernel: Kernel) -> tuple[tuple[str, str], ...]:
    """The (name, type) of each word of binding 0."""
    offsets = [(f"o_{buffer.name}", "i32") for buffer in kernel.buffers]
    return ("count", "u32"), *offsets, *((f"w_{word.name}", word.type.scalar) for word in kernel.words)


def pack_words(kernel: Kernel, count: int, offsets: Mapping[str, int], words: Mapping[str, float]) -> bytes:
    """The contents of binding 0. Offsets are in elements, 0 where absent."""
    missing = [w.name for w in kernel.words if w.name not in words]
    if missing:
        raise KernelError(f"Kernel {kernel.name} runs without {', '.join(missing)}.")
    places = [int(offsets.get(b.name, 0)) for b in kernel.buffers]
    packed = struct.pack(f"<I{len(places)}i", count, *places)
    letters = {"i32": "<i", "u32": "<I", "f32": "<f"}
    return packed + b"".join(
        struct.pack(letters[w.type.scalar], words[w.name] if w.type.scalar == "f32" else int(words[w.name]))
        for w in kernel.words
    )
