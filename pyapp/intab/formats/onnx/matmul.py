"""Matrix products."""

from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.graph.ir import Value


@onnx_op("MatMul", since=1)
def matmul(call: Call, a: Value, b: Value) -> Value:
    return call.result("MatMul", a, b)


@onnx_op("Gemm", since=1)
def gemm(call: Call, a: Value, b: Value, c: Value | None = None) -> Value:
    """alpha * a' @ b' + beta * c; a bias of one axis goes into the product, anything else is added after it."""
    if a.rank != 2 or b.rank != 2:
        raise call.malformed(f"its operands have {a.rank} and {b.rank} axes, but two are expected")
    # Until opset 6 the attribute asked for what numpy does anyway.
    call.ignore("broadcast")
    transposes = {
        "transpose_a": call.flag("transA", default=False),
        "transpose_b": call.flag("transB", default=False),
    }
    alpha, beta = call.number("alpha", 1.0), call.number("beta", 1.0)
    if beta == 0.0:
        c = None
    columns = b.shape[0] if transposes["transpose_b"] else b.shape[1]
    if alpha == beta == 1.0 and c is not None and c.shape == (columns,):
        return call.result("MatMul", a, b, c, **transposes)
    emit = call.result if c is None and alpha == 1.0 else call.part
    product = emit("MatMul", a, b, **transposes)
    if alpha != 1.0:
        emit = call.result if c is None else call.part
        product = emit("Mul", product, _factor(call, product, alpha))
    if c is None:
        return product
    addend = c if beta == 1.0 else call.part("Mul", c, _factor(call, c, beta))
    return call.result("Add", product, addend)


def _factor(call: Call, x: Value, number: float) -> Value:
    if not x.dtype.is_float:
        raise call.unsupported(f"alpha or beta is {number} for {x.dtype} operands")
    return call.constant_like(x, number)
