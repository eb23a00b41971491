"""Products with weights whose blocks have scales of their own, as onnxruntime's tools write them."""

from intab.dtypes import uint8
from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.graph.derived import Unpacked, unpacked
from intab.graph.ir import Value

MICROSOFT = "com.microsoft"
BITS = (4, 8)


@onnx_op("MatMulNBits", since=1, domain=MICROSOFT)
def matmul_n_bits(
    call: Call,
    a: Value,
    b: Value,
    scales: Value,
    zeros: Value | None = None,
    order: Value | None = None,
    bias: Value | None = None,
) -> Value:
    """a @ dequantized(b)' + bias, b u8 [N, blocks, bytes of a block] with a scale and a zero point for each block.

    A block is `block_size` neighbours along K; the last one of a column may be longer than what is left of K.
    """
    # How exactly activations may be rounded is a permission, and prepacking a matter of speed.
    call.ignore("accuracy_level", "weight_prepacked")
    depth, columns, size = (call.integer(name) for name in ("K", "N", "block_size"))
    bits = call.integer("bits", 4)
    if bits not in BITS:
        raise call.unsupported(f"its weights have {bits} bits, and only {' and '.join(map(str, BITS))} are known")
    if order is not None:
        raise call.unsupported("input 'g_idx' puts the depths of its weights in another order")
    if depth < 1 or columns < 1 or size < 16 or size & (size - 1):
        raise call.malformed(f"K, N and block_size are {depth}, {columns} and {size}, which no weights have")
    blocks, middle = -(-depth // size), 1 << (bits - 1)
    width = blocks * size
    weights = _numbers(call, b, (columns, depth), bits, width, middle, "input 'B'")
    scale = call.part("Reshape", scales, shape=(columns, blocks))
    points = None if zeros is None else _zero_points(call, zeros, (columns, blocks), bits, middle)
    floats = call.part("DequantizeLinear", weights, scale, points, axis=1, block_size=size)
    return call.result("MatMul", a, floats, *([bias] if bias is not None else []), transpose_b=True)


def _zero_points(call: Call, zeros: Value, shape: tuple[int, int], bits: int, middle: int) -> Value:
    """The zero points of blocks less the middle, which the weights are counted from."""
    if zeros.dtype != uint8:
        table = call.part("Reshape", zeros, shape=shape)
        return call.part("Sub", table, call.constant_like(zeros, middle))
    width = shape[1] + shape[1] % 2 if bits == 4 else shape[1]
    return _numbers(call, zeros, shape, bits, width, middle, "input 'zero_points'")


def _numbers(call: Call, packed: Value, shape: tuple[int, int], bits: int, width: int, middle: int, what: str) -> Value:
    """The whole numbers of a tensor of bytes, rows of `width` of them, as a constant of i8."""
    constant = call.builder.constant_of(packed)
    if constant is None:
        raise call.unsupported(f"{what} is not constant")
    if constant.dtype != uint8 or constant.nbytes != shape[0] * width * bits // 8:
        given = f"{constant.dtype} of {constant.nbytes} bytes"
        raise call.malformed(f"{what} is {given}, but {shape[0]} rows of {width} numbers of {bits} bits are expected")
    return call.constant(unpacked(Unpacked(constant, shape, bits, width, middle=middle)))
