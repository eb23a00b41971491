"""A Python function of numbers as a kernel of a GPU: elementwise, its arrays broadcast against each other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from intab.dtypes import DType
from intab.errors import ShapeError
from intab.kernels.families.elementwise import CONTIGUOUS, STRIDED, Operand, points
from intab.kernels.families.loops import lanes_for
from intab.kernels.ir import Kernel
from intab.kernels.wgsl import Shader, generate, pack_words, workgroups
from intab.ops.kernel_steps import inner_of
from intab.ops.strides import broadcast_strides, collapse
from intab.ops.traced import Traced, parameters_of, trace
from intab.target import Target


@dataclass(frozen=True, slots=True)
class Written:
    """A shader for arrays of certain shapes, and how it is run."""

    shader: Shader
    words: bytes
    groups: tuple[int, int, int]
    shape: tuple[int, ...]


class AuthorFunction:
    """What an author's function computes. Raises KernelError, DTypeError or UnsupportedOpError as `trace` does."""

    def __init__(self, name: str, function: Callable[..., Any], dtypes: Mapping[str, DType], default: DType) -> None:
        self.name = name
        names = parameters_of(function)
        self.dtypes = {one: dtypes.get(one, default) for one in names}
        self._traced: Traced = trace(function, self.dtypes)
        self._shaders: dict[tuple[Kernel, Target], Shader] = {}

    @property
    def dtype(self) -> DType:
        """Of the result."""
        return self._traced.dtype

    def write(self, shapes: Sequence[tuple[int, ...]], target: Target) -> Written:
        """The kernel for arrays of these shapes. Raises ShapeError when they do not go together."""
        try:
            shape = np.broadcast_shapes(*shapes)
        except ValueError as error:
            listed = ", ".join(f"{name} {list(one)}" for name, one in zip(self.dtypes, shapes, strict=True))
            raise ShapeError(f"{self.name}: {listed} do not broadcast against each other. Reshape them.") from error
        path = collapse(shape, [*(broadcast_strides(one, shape) for one in shapes), broadcast_strides(shape, shape)])
        strides = [tuple(int(step) for step in own) for own in path.strides]  # type: ignore[arg-type]
        dtypes = [*self.dtypes.values(), self.dtype]
        operands = [Operand(dtype.name, inner_of(own)) for dtype, own in zip(dtypes, strides, strict=True)]
        sizes = [int(size) for size in path.sizes]  # type: ignore[arg-type]
        width = self._width(target.lanes, sizes, strides, operands)
        kernel = points(self._traced.function, len(sizes), tuple(operands[:-1]), operands[-1], width=width)
        sizes[-1] //= width
        words = {f"size_{axis}": sizes[axis] for axis in range(1, len(sizes))}
        for buffer, operand, own in zip(kernel.buffers, operands, strides, strict=True):
            known = operand.known_strides(len(sizes))
            words |= {f"{buffer.name}_stride_{axis}": own[axis] for axis in range(known)}
        count = int(np.prod(sizes, dtype=np.int64))
        shader = self._shaders.get((kernel, target)) or generate(kernel, target)
        self._shaders[kernel, target] = shader
        return Written(shader, pack_words(kernel, count, {}, words), workgroups(count), shape)

    def _width(
        self, lanes: int, sizes: Sequence[int], strides: Sequence[tuple[int, ...]], operands: Sequence[Operand]
    ) -> int:
        """How many neighbouring elements an item does: a vector where all rows lie in whole ones."""
        steps = [step for own, o in zip(strides, operands, strict=True) if o.inner == CONTIGUOUS for step in own[:-1]]
        if any(o.inner == STRIDED for o in operands) or any(step % lanes for step in (sizes[-1], *steps)):
            return 1
        return lanes_for(lanes, *(operand.dtype for operand in operands), functions=(self._traced.function,))
