"""Normalisations."""

import numpy as np

from intab.errors import DTypeError, ShapeError
from intab.graph.dims import Dim, Shape, dense_strides, product
from intab.graph.ir import Value
from intab.kernels import functions
from intab.kernels.block import Block
from intab.kernels.families import row, team_rows
from intab.kernels.families.local_response import local_response
from intab.kernels.ir import F32, Expr, Fma
from intab.ops.arrays import Numbers
from intab.ops.broadcast import (
    NO_PAIRS,
    agree,
    broadcast_to,
    channel_axis,
    need_rank,
    normal_axis,
    shape_text,
)
from intab.ops.elementwise import FLOATS
from intab.ops.items import item_width, pieces, team_shape
from intab.ops.kernel_steps import compute_step, copy_step, need_floats, tensor_work, transpose_step
from intab.ops.lowering import Lowering, Place
from intab.ops.registry import Result, op
from intab.ops.strides import broadcast_strides, collapse


@op("Softmax")
class Softmax:
    """exp(x - max) / sum of the same, over one axis. x [..., N, ...] -> same shape. Source: ONNX Softmax-13."""

    axis: int

    def infer(self, x: Value) -> Result:
        _check_floats("Softmax", x)
        normal_axis(self.axis, x.rank)
        return Result(x.dtype, x.shape)

    def reference(self, x: Numbers) -> Numbers:
        with np.errstate(all="ignore"):
            powers = np.exp(_below_maximum(x, self.axis))
            return np.asarray(powers / np.sum(powers, axis=self.axis, keepdims=True)).astype(x.dtype)

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        _softmax_steps(lowering, inputs[0], outputs[0], self.axis, logarithm=False)


@op("LogSoftmax")
class LogSoftmax:
    """x - max - log(sum of exp(x - max)), over one axis. Same shape. Source: ONNX LogSoftmax-13."""

    axis: int

    def infer(self, x: Value) -> Result:
        _check_floats("LogSoftmax", x)
        normal_axis(self.axis, x.rank)
        return Result(x.dtype, x.shape)

    def reference(self, x: Numbers) -> Numbers:
        with np.errstate(all="ignore"):
            below = _below_maximum(x, self.axis)
            sums = np.sum(np.exp(below), axis=self.axis, keepdims=True)
            return np.asarray(below - np.log(sums)).astype(x.dtype)

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        _softmax_steps(lowering, inputs[0], outputs[0], self.axis, logarithm=True)


@op("LayerNorm")
class LayerNorm:
    """(x - mean) / sqrt(variance + epsilon) over the axes from `axis` on, then * scale + bias.

    scale and bias broadcast to x.shape[axis:]. Same shape. Source: ONNX LayerNormalization-17.
    """

    axis: int = -1
    epsilon: float = 1e-5

    def infer(self, x: Value, scale: Value | None = None, bias: Value | None = None) -> Result:
        _check_floats("LayerNorm", x, scale, bias)
        axis = normal_axis(self.axis, x.rank)
        pairs = NO_PAIRS
        for name, value in (("Scale", scale), ("Bias", bias)):
            if value is not None:
                pairs += broadcast_to(value.shape, x.shape[axis:], f"{name} of LayerNorm")
        return Result(x.dtype, x.shape, equal=pairs)

    def reference(self, x: Numbers, scale: Numbers | None = None, bias: Numbers | None = None) -> Numbers:
        axes = tuple(range(normal_axis(self.axis, x.ndim), x.ndim))
        with np.errstate(all="ignore"):
            wide = x.astype(np.float64)
            centred = wide - _mean(wide, axes)
            result = centred / np.sqrt(_mean(centred**2, axes) + self.epsilon)
            if scale is not None:
                result = result * scale
            if bias is not None:
                result = result + bias
            return np.asarray(result.astype(x.dtype))

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (y,) = outputs
        optional: tuple[Value | None, ...] = inputs[1:]
        axis = normal_axis(self.axis, y.rank)
        buffers = {"x": lowering.place(inputs[0]), "y": lowering.place(y)}
        need_floats(*buffers.values())
        for name, value in zip(("scale", "bias"), optional, strict=False):
            if value is not None:
                buffers[name] = _expanded(lowering, value, y.shape[axis:])
        words = {"length": product(y.shape[axis:]), "epsilon": self.epsilon}
        rows, sides = product(y.shape[:axis]), {"scale": "scale" in buffers, "bias": "bias" in buffers}
        if lowering.target.small_items:
            width = item_width(lowering, product(y.shape[axis:]), buffers.values())
            kernel = team_rows.layer_norm(team_shape(lowering, rows, product(y.shape[axis:]), width), **sides)
        else:
            kernel = row.layer_norm(lanes=lowering.target.lanes, **sides)
        # Mean, variance and result: an addition, a subtraction and multiply-add, a subtraction and a multiplication.
        parameters = ((buffers[name], y.shape[axis:]) for name in ("scale", "bias") if name in buffers)
        flops = (6 + len(buffers) - 2, *y.shape)
        work = tensor_work(flops, (buffers["x"], y.shape), (buffers["y"], y.shape), *parameters)
        lowering.step(kernel, buffers, words, rows, work=work)


@op("BatchNorm")
class BatchNorm:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, with four numbers a channel. Same shape.

    x [N, C, ...] for layout "NCHW", [N, ..., C] for "NHWC"; the others [C]. Source: ONNX BatchNormalization-15.
    """

    epsilon: float = 1e-5
    layout: str = "NCHW"

    def infer(self, x: Value, scale: Value, bias: Value, mean: Value, variance: Value) -> Result:
        parameters = (scale, bias, mean, variance)
        _check_floats("BatchNorm", x, *parameters)
        need_rank(x, 2, "BatchNorm")
        channels, pairs = x.shape[channel_axis(x.rank, self.layout)], NO_PAIRS
        for value in parameters:
            if value.rank != 1:
                raise ShapeError(f"BatchNorm needs one number a channel, not {shape_text(value.shape)}.")
            pairs += agree(value.shape[0], channels, "Parameters and channels of BatchNorm")[1]
        return Result(x.dtype, x.shape, equal=pairs)

    def reference(self, x: Numbers, scale: Numbers, bias: Numbers, mean: Numbers, variance: Numbers) -> Numbers:
        shape = [1] * x.ndim
        shape[channel_axis(x.ndim, self.layout)] = -1
        with np.errstate(all="ignore"):
            factor = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + self.epsilon)
            result = (x - mean.reshape(shape).astype(np.float64)) * factor.reshape(shape) + bias.reshape(shape)
            return np.asarray(result.astype(x.dtype))

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (y,) = outputs
        need_floats(*map(lowering.place, inputs))
        shape: list[Dim] = [1] * y.rank
        shape[channel_axis(y.rank, self.layout)] = y.shape[channel_axis(y.rank, self.layout)]
        strides = [y_strides := dense_strides(y.shape), *[broadcast_strides(tuple(shape), y.shape)] * 4, y_strides]
        function = functions.scalar_function(self._scalar, *[F32] * 5)
        path = collapse(y.shape, strides)
        compute_step(lowering, function, [lowering.place(value) for value in inputs], lowering.place(y), path)

    def _scalar(self, block: Block, x: Expr, scale: Expr, bias: Expr, mean: Expr, variance: Expr) -> Expr:
        factor = scale * functions.reciprocal_square_root(block, variance + self.epsilon)
        return Fma(x - mean, factor, bias)


@op("LocalResponseNorm")
class LocalResponseNorm:
    """x / (bias + alpha / size * sum of squares of `size` neighbouring channels) ** beta. Same shape.

    x [N, C, ...]; the channels c - (size - 1) // 2 .. c + size // 2 count, as far as they are there.
    bias is above 0. Source: ONNX LRN-13.
    """

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0

    def infer(self, x: Value) -> Result:
        _check_floats("LocalResponseNorm", x)
        need_rank(x, 2, "LocalResponseNorm")
        return Result(x.dtype, x.shape)

    def reference(self, x: Numbers) -> Numbers:
        squares = x.astype(np.float64) ** 2
        borders = [(0, 0)] * x.ndim
        borders[1] = ((self.size - 1) // 2, self.size // 2)
        padded = np.pad(squares, borders)
        total = sum(padded[:, i : i + x.shape[1]] for i in range(self.size))
        with np.errstate(all="ignore"):
            return np.asarray((x * (self.bias + self.alpha / self.size * total) ** -self.beta).astype(x.dtype))

    def lower(self, lowering: Lowering, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> None:
        (x,), (y,) = inputs, outputs
        buffers = {"x": lowering.place(x), "y": lowering.place(y)}
        need_floats(*buffers.values())
        words: dict[str, Dim | float] = {
            "channels": x.shape[1],
            "inner": product(x.shape[2:]),
            "before": (self.size - 1) // 2,
            "after": self.size // 2,
            "scale": self.alpha / self.size,
            "beta": self.beta,
            "bias": self.bias,
        }
        work = tensor_work((2 * self.size, *x.shape), (buffers["x"], x.shape), (buffers["y"], y.shape))
        inner = product(x.shape[2:])
        width = item_width(lowering, inner, buffers.values())
        kernel = local_response(lanes=lowering.target.lanes, width=width)
        lowering.step(kernel, buffers, words, product(x.shape[:2]) * pieces(inner, width), work=work)


def _expanded(lowering: Lowering, value: Value, shape: Shape) -> Place:
    """Where a tensor lies broadcast to `shape`: in place if it is that large already."""
    strides = broadcast_strides(value.shape, shape)
    if strides == dense_strides(shape):
        return lowering.place(value)
    target = lowering.scratch(value.dtype, product(shape))
    copy_step(lowering, lowering.place(value), strides, target, dense_strides(shape), shape)
    return target


def _softmax_steps(lowering: Lowering, x: Value, y: Value, axis: int, *, logarithm: bool) -> None:
    """The row kernel over the last axis; another axis is moved there and back."""
    source, target = lowering.place(x), lowering.place(y)
    need_floats(source)
    axis = normal_axis(axis, x.rank)
    words: dict[str, Dim | float] = {"length": x.shape[axis]}
    rows = product(x.shape[:axis]) * product(x.shape[axis + 1 :])
    if lowering.target.small_items:
        width = item_width(lowering, x.shape[axis], (source, target))
        kernel = team_rows.softmax(team_shape(lowering, rows, x.shape[axis], width), logarithm=logarithm)
    else:
        kernel = row.softmax(lanes=lowering.target.lanes, logarithm=logarithm)
    work = tensor_work((4, *x.shape), (source, x.shape), (target, y.shape))  # subtract, exp, sum, divide
    if product(x.shape[axis + 1 :]) == 1:
        lowering.step(kernel, {"x": source, "y": target}, words, rows, work=work)
        return
    perm = (*(i for i in range(x.rank) if i != axis), axis)
    back = tuple(perm.index(i) for i in range(x.rank))
    aside = made = lowering.scratch(x.dtype, product(x.shape))
    if not lowering.target.may_alias:
        made = lowering.scratch(x.dtype, product(x.shape))
    transpose_step(lowering, source, x.shape, perm, aside)
    lowering.step(kernel, {"x": aside, "y": made}, words, rows, work=work)
    transpose_step(lowering, made, tuple(x.shape[i] for i in perm), back, target)


def _check_floats(name: str, *values: Value | None) -> None:
    given = [value for value in values if value is not None]
    if given[0].dtype.kind not in FLOATS or any(value.dtype != given[0].dtype for value in given):
        raise DTypeError(f"{name} needs float tensors of one dtype, not {', '.join(map(str, given))}.")


def _below_maximum(x: Numbers, axis: int) -> Numbers:
    """x less its maximum along an axis, in float64; of an empty axis there is nothing to subtract."""
    wide = x.astype(np.float64)
    return np.asarray(wide - np.max(wide, axis=axis, keepdims=True, initial=-np.inf))


def _mean(x: Numbers, axes: tuple[int, ...]) -> Numbers:
    count = int(np.prod([x.shape[axis] for axis in axes]))
    return np.asarray(np.sum(x, axis=axes, keepdims=True) / np.float64(count))
