"""How a shader is bound and dispatched.

Everything is in bind group 0. Binding 0 is a read-only storage buffer of 32-bit words: the count of items, one
element offset a buffer, then the kernel's words. Bindings 1, 2, ... are the kernel's buffers in order.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from intab.errors import KernelError
from intab.kernels.ir import Kernel

WORKGROUP_SIZE = 64
# WebGPU's default for maxComputeWorkgroupsPerDimension.
MOST_WORKGROUPS = 65535


@dataclass(frozen=True, slots=True)
class Shader:
    """A shader's text, with entry point `main`, and what it binds: `buffers` as (name, access), from binding 1 on."""

    text: str
    buffers: tuple[tuple[str, str], ...]


def workgroups(count: int) -> tuple[int, int, int]:
    """How many workgroups to dispatch for `count` items; in two dimensions when one does not do."""
    groups = -(-count // WORKGROUP_SIZE)
    rows = max(-(-groups // MOST_WORKGROUPS), 1)
    return -(-groups // rows), rows, 1


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
