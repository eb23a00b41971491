"""A chain of elementwise operators as one node."""

from intab.graph.ir import Graph, Value
from intab.kernels.block import Block
from intab.kernels.ir import Expr
from intab.ops.arrays import Numbers
from intab.ops.broadcast import broadcast
from intab.ops.elementwise import Elementwise
from intab.ops.epilogue import check_body, evaluate_body, write_body
from intab.ops.registry import Result, op


@op("Fused")
class Fused(Elementwise):
    """The elementwise graph `body`; its inputs are this node's, broadcast against each other."""

    knows_narrow = True  # as far as the operators inside do, which `write_body` sees to

    body: Graph

    def infer(self, *inputs: Value) -> Result:
        shape, pairs = broadcast(*(value.shape for value in inputs))
        return Result(check_body(self.body, tuple(value.dtype for value in inputs)), shape, equal=pairs)

    def compute(self, *arrays: Numbers) -> Numbers:
        return evaluate_body(self.body, arrays)

    def scalar(self, block: Block, *inputs: Expr) -> Expr:
        return write_body(block, self.body, inputs)
