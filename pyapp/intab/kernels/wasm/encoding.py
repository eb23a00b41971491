"""The binary format of WebAssembly: numbers, sections and the module around generated functions.

Source: WebAssembly Core Specification, section 5 (binary format), with the SIMD and relaxed SIMD
instructions of version 3.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

I32, I64, F32, F64, V128 = 0x7F, 0x7E, 0x7D, 0x7C, 0x7B
FUNCREF = 0x70


def unsigned(value: int) -> bytes:
    """LEB128 of a number >= 0."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int) -> bytes:
    """LEB128 of a signed number."""
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40):
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def simd(opcode: int) -> bytes:
    """An instruction of the vector group."""
    return b"\xfd" + unsigned(opcode)


def float32(value: float) -> bytes:
    return struct.pack("<f", value)


def float64(value: float) -> bytes:
    return struct.pack("<d", value)


def vector(items: Sequence[bytes]) -> bytes:
    """A counted list."""
    return unsigned(len(items)) + b"".join(items)


def text(value: str) -> bytes:
    data = value.encode()
    return unsigned(len(data)) + data


def section(number: int, content: bytes) -> bytes:
    return bytes((number,)) + unsigned(len(content)) + content


@dataclass(frozen=True, slots=True)
class Signature:
    """Parameter and result types of a function."""

    parameters: tuple[int, ...]
    results: tuple[int, ...] = ()

    def encode(self) -> bytes:
        return b"\x60" + vector([bytes((t,)) for t in self.parameters]) + vector([bytes((t,)) for t in self.results])


@dataclass(frozen=True, slots=True)
class Function:
    """A function's signature, the types of its locals beyond the parameters, and its code without the final end."""

    signature: Signature
    local_types: tuple[int, ...]
    code: bytes

    def encode(self) -> bytes:
        groups: list[tuple[int, int]] = []
        for kind in self.local_types:
            if groups and groups[-1][1] == kind:
                groups[-1] = (groups[-1][0] + 1, kind)
            else:
                groups.append((1, kind))
        body = vector([unsigned(n) + bytes((kind,)) for n, kind in groups]) + self.code + b"\x0b"
        return unsigned(len(body)) + body


def module(
    functions: Sequence[Function],
    *,
    exports: Iterable[tuple[str, int]],
    table: Sequence[int],
    memory_limits: tuple[int, int | None],
    shared: bool = False,
    signatures: Sequence[Signature] = (),
) -> bytes:
    """A module that imports its memory as "env"."memory".

    `table` lists the functions that call_indirect reaches, `memory_limits` the least and the most pages
    of 64 KiB, `signatures` those that call_indirect names, which take the first type indices.
    """
    types = list(dict.fromkeys([*signatures, *(f.signature for f in functions)]))
    least, most = memory_limits
    limits = unsigned(least) if most is None else unsigned(least) + unsigned(most)
    flags = (1 if most is not None else 0) | (2 if shared else 0)
    memory_import = text("env") + text("memory") + b"\x02" + bytes((flags,)) + limits
    elements = b"\x00\x41\x00\x0b" + vector([unsigned(i) for i in table])
    return b"".join(
        (
            b"\0asm\x01\0\0\0",
            section(1, vector([t.encode() for t in types])),
            section(2, vector([memory_import])),
            section(3, vector([unsigned(types.index(f.signature)) for f in functions])),
            section(4, vector([bytes((FUNCREF, 0)) + unsigned(len(table))])),
            section(7, vector([text(name) + b"\x00" + unsigned(index) for name, index in exports])),
            section(9, vector([elements])),
            section(10, vector([f.encode() for f in functions])),
        )
    )
