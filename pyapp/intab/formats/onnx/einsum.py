"""Einsum: sums of products over named axes, as transpositions, one matmul for each further operand, and a sum."""

from intab.formats.onnx.call import Call
from intab.formats.onnx.registry import onnx_op
from intab.graph.dims import Shape, product
from intab.graph.ir import Value

Labels = tuple[str, ...]
# What the axes of an ellipsis are called, counted from the last.
_ELLIPSIS = tuple(f"...{i}" for i in range(64))


@onnx_op("Einsum", since=12)
def einsum(call: Call, first: Value, *others: Value) -> Value:
    operands = (first, *others)
    given, wanted = _equation(call, operands)
    value, labels = first, given[0]
    for index, (other, own) in enumerate(zip(others, given[1:], strict=True), start=1):
        later = {label for rest in given[index + 1 :] for label in rest}
        value, labels = _product(call, (value, labels), (other, own), later | set(wanted))
    value, labels = _summed(call, value, labels, set(wanted))
    return call.result("Transpose", value, perm=tuple(labels.index(label) for label in wanted))


def _equation(call: Call, operands: tuple[Value, ...]) -> tuple[list[Labels], Labels]:
    """The labels of each operand's axes and of the result's."""
    left, arrow, right = call.text("equation").replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise call.malformed(f"its equation has {len(terms)} terms for {len(operands)} operands")
    given = [_labels(call, term, operand.rank) for term, operand in zip(terms, operands, strict=True)]
    for labels in given:
        if len(set(labels)) != len(labels):
            raise call.unsupported("its equation names an axis twice in one term, a diagonal")
    every = [label for labels in given for label in labels]
    if arrow:
        longest = max((sum(label in _ELLIPSIS for label in labels) for labels in given), default=0)
        wanted = _labels(call, right, len(right.replace("...", "")) + (longest if "..." in right else 0))
    else:
        spread = sorted({label for label in every if label in _ELLIPSIS}, key=_ELLIPSIS.index, reverse=True)
        wanted = (*spread, *sorted(label for label in set(every) - set(spread) if every.count(label) == 1))
    if not set(wanted) <= set(every) or len(set(wanted)) != len(wanted):
        raise call.malformed("its result has an axis that no operand has, or one twice")
    return given, wanted


def _labels(call: Call, term: str, rank: int) -> Labels:
    before, dots, behind = term.partition("...")
    if not (before + behind).isalpha() and before + behind:
        raise call.malformed(f"its term {term!r} is not made of letters")
    spread = rank - len(before) - len(behind)
    if spread < 0 or (spread and not dots) or spread > len(_ELLIPSIS):
        raise call.malformed(f"its term {term!r} does not fit {rank} axes")
    return (*before, *reversed(_ELLIPSIS[:spread]), *behind)


def _product(
    call: Call, left: tuple[Value, Labels], right: tuple[Value, Labels], needed: set[str]
) -> tuple[Value, Labels]:
    """Two operands in one, summed over what both have and nobody needs: a matmul of batches."""
    (a, ours), (b, theirs) = (
        _summed(call, value, labels, needed | set(others))
        for (value, labels), (_, others) in ((left, right), (right, left))
    )
    both = [label for label in ours if label in theirs]
    batch = [label for label in both if label in needed]
    summed = [label for label in both if label not in needed]
    rows = [label for label in ours if label not in theirs]
    columns = [label for label in theirs if label not in ours]
    sizes = dict(zip(theirs, b.shape, strict=True)) | dict(zip(ours, a.shape, strict=True))
    for label, size in zip(theirs, b.shape, strict=True):
        if (sizes[label] == 1) != (size == 1):
            raise call.unsupported("it stretches an axis of size 1")
        call.assume_equal(sizes[label], size)
    groups = [tuple(sizes[label] for label in group) for group in (batch, rows, summed, columns)]
    count = [product(group) for group in groups]
    matrix_a = _arranged(call, a, ours, (*batch, *rows, *summed), (count[0], count[1], count[2]))
    matrix_b = _arranged(call, b, theirs, (*batch, *summed, *columns), (count[0], count[2], count[3]))
    made = call.part("Reshape", call.part("MatMul", matrix_a, matrix_b), shape=(*groups[0], *groups[1], *groups[3]))
    return made, (*batch, *rows, *columns)


def _arranged(call: Call, value: Value, labels: Labels, order: Labels, shape: Shape) -> Value:
    perm = tuple(labels.index(label) for label in order)
    moved = value if perm == tuple(range(len(perm))) else call.part("Transpose", value, perm=perm)
    return call.part("Reshape", moved, shape=shape)


def _summed(call: Call, value: Value, labels: Labels, kept: set[str]) -> tuple[Value, Labels]:
    """An operand summed over the axes that nobody needs."""
    axes = tuple(i for i, label in enumerate(labels) if label not in kept)
    if not axes:
        return value, labels
    return call.part("ReduceSum", value, axes=axes, keepdims=False), tuple(label for label in labels if label in kept)
