"""A program's shaders as bytes, and back: what a cache keeps beside its tables."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from intab.kernels.wgsl import Shader, generate
from intab.program.ir import Program


def shaders_of(program: Program) -> bytes:
    """The shaders of a program's kernels, in order. Raises UnsupportedOpError for a kernel that WGSL cannot say."""
    shaders = (generate(kernel, program.target) for kernel in program.kernels)
    return json.dumps([asdict(shader) for shader in shaders], separators=(",", ":")).encode()


def read_shaders(data: bytes) -> tuple[Shader, ...]:
    """The shaders that `shaders_of` wrote."""
    return tuple(
        Shader(one["text"], _pairs(one["buffers"]), _pairs(one["words"]), tuple(one["features"]), one["team"])
        for one in json.loads(data)
    )


def _pairs(rows: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((first, second) for first, second in rows)
