"""Numbers per output channel of convolutions and matrix products, and weights scaled by them."""

import numpy as np

from intab.graph.ir import Array, Constant, Node, Value
from intab.optimize.constants import derive, scaled
from intab.optimize.editor import Editor

# Nodes whose result has output channels: inputs are x, weights, bias or None, then those of the epilogue.
PRODUCERS = ("Conv", "ConvTranspose", "MatMul")


def output_channels(node: Node) -> int | None:
    """How many output channels a producer has, if that is a number."""
    axis = _channel_axis(node)
    if axis is None:
        return None
    channels = node.output.shape[axis]
    return channels if isinstance(channels, int) else None


def per_channel(editor: Editor, value: Value | None, node: Node, *, scalar: bool = False) -> Constant | None:
    """The constant [channels] that a constant means when it broadcasts over a producer's result, or None.

    With `scalar` a constant of one element counts too, repeated.
    """
    constant, axis, channels = editor.constant(value), _channel_axis(node), output_channels(node)
    if constant is None or axis is None or channels is None or not constant.dtype.is_float:
        return None
    rank = node.output.rank
    if len(constant.shape) > rank:
        return None
    shape = (1,) * (rank - len(constant.shape)) + constant.shape
    if shape == tuple(channels if i == axis else 1 for i in range(rank)):
        return derive(lambda a: a.reshape(-1), constant.dtype, (channels,), "per channel", constant)
    if scalar and all(size == 1 for size in shape):
        return derive(
            lambda a: np.repeat(a.reshape(-1), channels), constant.dtype, (channels,), "per channel", constant
        )
    return None


def is_plain(node: Node | None) -> bool:
    """Is a producer without an epilogue, so that what follows it may move into its weights and bias?"""
    return node is not None and node.attributes.get("epilogue") is None


def scaled_weights(editor: Editor, node: Node, factor: Constant) -> Constant | None:
    """A producer's constant weights with each output channel times its factor; None where they are not constant."""
    weights = editor.constant(node.inputs[1])
    if weights is None:
        return None
    name = f"{node.output.name} weights"
    if node.op == "ConvTranspose":
        groups = node.attributes["group"]
        assert isinstance(groups, int)
        return derive(_ScaleTransposed(groups), weights.dtype, weights.shape, name, weights, factor)
    first = node.op == "Conv" or node.attributes.get("transpose_b")
    return scaled(weights, factor, 0 if first else len(weights.shape) - 1, name)


def _channel_axis(node: Node) -> int | None:
    if node.op == "MatMul":
        weights = node.inputs[1]
        return node.output.rank - 1 if weights is not None and weights.rank == 2 and node.output.rank else None
    return 1 if node.attributes.get("layout", "NCHW") == "NCHW" else node.output.rank - 1


class _ScaleTransposed:
    """Weights [C, O/groups, *kernel] of a transposed convolution: channel o of group g is row o there."""

    def __init__(self, groups: int) -> None:
        self._groups = groups

    def __call__(self, weights: Array, factor: Array) -> Array:
        grouped = weights.astype(np.float64).reshape(self._groups, -1, *weights.shape[1:])
        kernel_rank = weights.ndim - 2
        factors = factor.astype(np.float64).reshape(self._groups, 1, -1, *(1,) * kernel_rank)
        return np.asarray((grouped * factors).reshape(weights.shape).astype(weights.dtype))
