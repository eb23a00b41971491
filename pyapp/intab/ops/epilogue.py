"""Elementwise graphs inside other operators: bodies of Fused nodes and epilogues of matmul and conv.

A body's values stand for whole tensors that broadcast; their shapes say nothing (usually ()).
"""

from intab.dtypes import DType
from intab.errors import DTypeError, ShapeError, UnsupportedOpError
from intab.graph.dims import Shape
from intab.graph.ir import Graph, Value
from intab.kernels import functions
from intab.kernels.block import Block
from intab.kernels.ir import Const, Expr
from intab.kernels.scalar import ScalarFunction
from intab.ops.arrays import Numbers
from intab.ops.broadcast import Pairs, broadcast_to
from intab.ops.elementwise import Elementwise, register_type
from intab.ops.registry import Result, operator_of_node


def check_body(body: Graph, dtypes: tuple[DType, ...]) -> DType:
    """The dtype that a body makes of inputs of `dtypes`. Raises ShapeError or DTypeError when it takes others."""
    if len(body.inputs) != len(dtypes) or len(body.outputs) != 1:
        raise ShapeError(
            f"Body {body.name!r} takes {len(body.inputs)} inputs and makes {len(body.outputs)} outputs; "
            f"{len(dtypes)} inputs are given and 1 output is needed."
        )
    for value, dtype in zip(body.inputs, dtypes, strict=True):
        if value.dtype != dtype:
            raise DTypeError(f"Body {body.name!r} takes {value} where a tensor of {dtype} is given.")
    return body.outputs[0].dtype


def infer_epilogue(
    dtype: DType, shape: Shape, epilogue: Graph | None, extra: tuple[Value, ...], pairs: Pairs
) -> Result:
    """What an operator with result `shape` of `dtype` gives after its epilogue; `pairs` are handed on."""
    if epilogue is None:
        if extra:
            raise ShapeError(f"{len(extra)} further inputs are given, but there is no epilogue that takes them.")
        return Result(dtype, shape, equal=pairs)
    for value in extra:
        pairs += broadcast_to(value.shape, shape, f"Epilogue input {value.name}")
    return Result(check_body(epilogue, (dtype, *(v.dtype for v in extra))), shape, equal=pairs)


def apply_epilogue(result: Numbers, epilogue: Graph | None, extra: tuple[Numbers, ...]) -> Numbers:
    """The numpy meaning of an epilogue."""
    return result if epilogue is None else evaluate_body(epilogue, (result, *extra))


def evaluate_body(body: Graph, arrays: tuple[Numbers, ...]) -> Numbers:
    """The numpy meaning of an elementwise graph."""
    known: dict[Value, Numbers] = dict(zip(body.inputs, arrays, strict=True))
    for value in body.constant_values:
        known[value] = body.constants[value.name].numpy()
    for node in body.nodes:
        inputs = (None if value is None else known[value] for value in node.inputs)
        made = operator_of_node(node).reference(*inputs)
        known.update(zip(node.outputs, made if isinstance(made, tuple) else (made,), strict=True))
    return known[body.outputs[0]]


def body_function(body: Graph) -> ScalarFunction:
    """An elementwise graph as one function of single numbers.

    Raises UnsupportedOpError for dtypes that kernels do not know and for nodes that are not elementwise.
    """
    types = (register_type(value.dtype) for value in body.inputs)
    return functions.scalar_function(lambda block, *arguments: write_body(block, body, arguments), *types)


def write_body(block: Block, body: Graph, arguments: tuple[Expr, ...]) -> Expr:
    """Write an elementwise graph into a block and return its result."""
    known: dict[Value, Expr] = dict(zip(body.inputs, arguments, strict=True))
    for value in body.constant_values:
        known[value] = _number(body, value)
    for node in body.nodes:
        operator = operator_of_node(node)
        if not isinstance(operator, Elementwise):
            raise UnsupportedOpError(f"Body {body.name!r} holds {node.op}, which is not elementwise.")
        for used in (*node.inputs, *node.outputs):
            if used is not None:
                register_type(used.dtype, narrow=operator.knows_narrow)
        result = operator.scalar(block, *(known[value] for value in node.inputs if value is not None))
        known[node.output] = block.let(node.op.lower(), result)
    return known[body.outputs[0]]


def _number(body: Graph, value: Value) -> Const:
    """A constant of a body, which is a single number."""
    numbers = body.constants[value.name].numpy()
    if numbers.size != 1:
        raise ShapeError(f"Body {body.name!r} holds the constant {value}; tensors come in as inputs, not constants.")
    return Const(numbers.reshape(-1)[0].item(), register_type(value.dtype, narrow=True))
