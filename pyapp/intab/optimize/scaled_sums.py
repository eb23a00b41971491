"""Integer sums that become floats at once, as dynamic quantization has them."""

from intab.dtypes import float32, int32
from intab.graph.ir import Node, Value
from intab.ops.integer_dense import is_single
from intab.optimize.editor import Editor, peephole


def _scaled(editor: Editor, node: Node) -> Value | None:
    for floats, scale in (node.inputs, node.inputs[::-1]):
        cast = editor.single(floats, "Cast")
        if cast is None or scale is None or cast.output.dtype != float32 or scale.dtype != float32:
            continue
        product = editor.single(cast.inputs[0], "IntegerMatMul", "IntegerConv")
        if product is None or product.attributes.get("to", int32) != int32 or node.output.shape != cast.output.shape:
            continue
        if is_single(scale) or (product.op == "IntegerMatMul" and scale.shape == product.output.shape[-1:]):
            operands = (*product.inputs, None, None, None)[:5]
            return editor.again(product, *operands, scale, like=node, to=float32)
    return None


SCALED_SUMS = peephole("scaled_sums", {"Mul": [_scaled]})
"""mul(cast(integer_matmul(a, b)), scale)   ->   integer_matmul(a, b, scale) {to f32}

Likewise integer_conv, for one scale, or one a column of a matmul. Exact.
"""
