"""Operators that onnxruntime's own optimiser puts in the place of several of the standard's (domain com.microsoft)."""

from intab.formats.onnx.call import Call
from intab.formats.onnx.norm import rms_normalized
from intab.formats.onnx.registry import onnx_op
from intab.graph.ir import Value

_DOMAIN = "com.microsoft"
# What onnxruntime takes for epsilon where a node does not say; the standard's operators take 1e-5.
_SKIP_EPSILON = 1e-12


@onnx_op("BiasGelu", since=1, domain=_DOMAIN)
def bias_gelu(call: Call, x: Value, bias: Value) -> Value:
    return call.result("Gelu", call.part("Add", x, bias), approximate="none")


@onnx_op("FastGelu", since=1, domain=_DOMAIN)
def fast_gelu(call: Call, x: Value, bias: Value | None = None) -> Value:
    return call.result("Gelu", x if bias is None else call.part("Add", x, bias), approximate="tanh")


@onnx_op("QuickGelu", since=1, domain=_DOMAIN)
def quick_gelu(call: Call, x: Value) -> Value:
    """x * sigmoid(alpha * x)"""
    scaled = call.part("Mul", x, call.constant_like(x, call.number("alpha", 1.702)))
    return call.result("Mul", x, call.part("Sigmoid", scaled))


@onnx_op("SkipLayerNormalization", since=1, domain=_DOMAIN)
def skip_layer_normalization(
    call: Call, x: Value, skip: Value, scale: Value, shift: Value | None = None, bias: Value | None = None
) -> tuple[Value, ...]:
    """The layer norm of x + skip + bias, and as the fourth output that sum."""
    _refuse_moments(call)
    total = _skipped(call, x, skip, bias)
    epsilon = call.number("epsilon", _SKIP_EPSILON)
    normal = call.result("LayerNorm", total, scale, shift, axis=-1, epsilon=epsilon)
    return normal, normal, normal, total


@onnx_op("SkipSimplifiedLayerNormalization", since=1, domain=_DOMAIN)
def skip_simplified_layer_normalization(
    call: Call, x: Value, skip: Value, scale: Value, bias: Value | None = None
) -> tuple[Value, ...]:
    """The root mean square norm of x + skip + bias, and as the fourth output that sum."""
    _refuse_moments(call)
    total = _skipped(call, x, skip, bias)
    normal = rms_normalized(call, total, scale, -1, call.number("epsilon", _SKIP_EPSILON))
    return normal, normal, normal, total


@onnx_op("FusedMatMul", since=1, domain=_DOMAIN)
def fused_matmul(call: Call, a: Value, b: Value) -> Value:
    """alpha * a' @ b', where the last two axes of each may change places."""
    if call.flag("transBatchA", default=False) or call.flag("transBatchB", default=False):
        raise call.unsupported("it moves axes of batches (transBatchA, transBatchB)")
    transposes = {
        "transpose_a": call.flag("transA", default=False) and a.rank > 1,
        "transpose_b": call.flag("transB", default=False) and b.rank > 1,
    }
    alpha = call.number("alpha", 1.0)
    if alpha == 1.0:
        return call.result("MatMul", a, b, **transposes)
    product = call.part("MatMul", a, b, **transposes)
    return call.result("Mul", product, call.constant_like(product, alpha))


def _skipped(call: Call, x: Value, skip: Value, bias: Value | None) -> Value:
    total = call.part("Add", x, skip)
    return total if bias is None else call.part("Add", total, bias)


def _refuse_moments(call: Call) -> None:
    if call.wants(1) or call.wants(2):
        raise call.unsupported("its mean or deviation is asked for, which only training needs")
