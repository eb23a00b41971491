"""Rules of shapes, with sizes that may be symbols.

Where a rule needs two sizes to agree and they are not known to, inference takes them for the same and
hands the pair on (`Result.equal`); they are compared when the symbols get their numbers.
"""

from collections.abc import Iterable

from intab.errors import ShapeError, UnsupportedOpError
from intab.graph.dims import Atom, Dim, DimExpr, Shape, Symbol, dim_text, evaluate, maximum
from intab.graph.ir import Value

Pairs = tuple[tuple[Dim, Dim], ...]
NO_PAIRS: Pairs = ()


def shape_text(shape: Iterable[Dim]) -> str:
    """A shape as error messages print it."""
    return f"[{', '.join(map(str, shape))}]"


def numbers(dims: Iterable[Dim]) -> tuple[int, ...]:
    """Sizes of a graph that was bound, as ints. Raises ShapeError when a symbol is left."""
    return tuple(evaluate(dim, {}) for dim in dims)


def simpler(left: Dim, right: Dim) -> Dim:
    """The one of two equal sizes that is better to go on with: a number, else the shorter expression."""
    return min(left, right, key=lambda dim: (isinstance(dim, DimExpr), len(dim_text(dim)), dim_text(dim)))


def agree(left: Dim, right: Dim, what: str) -> tuple[Dim, Pairs]:
    """One size from two that must be the same, and the pair if that is an assumption. `what` opens the error."""
    if left == right:
        return left, ()
    if isinstance(left - right, int):
        raise ShapeError(f"{what}: {left} and {right} differ.")
    return simpler(left, right), ((left, right),)


def at_most(less: Dim, more: Dim) -> Pairs:
    """The assumption that one size is not above another, as a pair that is equal just then; none if it is known."""
    return () if not_negative(more - less) else ((maximum(less, more), more),)


def not_negative(dim: Dim) -> bool:
    """Whether a dim is known to be 0 or more, its symbols being sizes."""
    if isinstance(dim, int):
        return dim >= 0
    return all(factor >= 0 and all(_atom_not_negative(a) for a in monomial) for monomial, factor in dim.terms)


def _atom_not_negative(atom: Atom) -> bool:
    if isinstance(atom, Symbol):
        return True
    if atom.function == "max":
        return not_negative(atom.left) or not_negative(atom.right)
    if atom.function == "%":
        return not_negative(atom.right)
    return not_negative(atom.left) and not_negative(atom.right)


def broadcast(*shapes: Shape) -> tuple[Shape, Pairs]:
    """The shape that numpy's broadcasting gives, and the pairs of sizes it takes to be equal.

    Raises ShapeError, naming all shapes, where two known sizes differ and neither is 1.
    """
    rank = max((len(shape) for shape in shapes), default=0)
    dims: list[Dim] = [1] * rank
    pairs: list[tuple[Dim, Dim]] = []
    for shape in shapes:
        for i, dim in enumerate(shape, rank - len(shape)):
            dims[i], pair = _broadcast_dim(dims[i], dim, shapes)
            pairs += pair
    return tuple(dims), tuple(dict.fromkeys(pairs))


def broadcast_to(shape: Shape, target: Shape, what: str) -> Pairs:
    """The pairs assumed equal when `shape` is broadcast to exactly `target`. Raises ShapeError if it cannot be."""
    result, pairs = broadcast(shape, target)
    grown = any(one != 1 and to == 1 for one, to in zip(reversed(shape), reversed(target), strict=False))
    if len(result) != len(target) or grown:
        raise ShapeError(f"{what} of shape {shape_text(shape)} does not broadcast to {shape_text(target)}.")
    return pairs


def _broadcast_dim(left: Dim, right: Dim, shapes: tuple[Shape, ...]) -> tuple[Dim, Pairs]:
    if left == right or right == 1:
        return left, ()
    if left == 1:
        return right, ()
    if isinstance(left, int) and isinstance(right, int):
        raise ShapeError(
            f"Shapes {' and '.join(map(shape_text, shapes))} do not broadcast: {left} and {right} differ, "
            "and neither is 1."
        )
    # H and H + 1 may still meet as 1 and 2, so unequal expressions are left to binding.
    return simpler(left, right), ((left, right),)


def normal_axis(axis: int, rank: int) -> int:
    """An axis counted from the front. Raises ShapeError when there is no such axis."""
    if not -rank <= axis < rank:
        raise ShapeError(f"Axis {axis} does not exist in a tensor of rank {rank}.")
    return axis % rank


def normal_axes(axes: Iterable[int], rank: int) -> tuple[int, ...]:
    """Axes counted from the front, sorted. Raises ShapeError for one that does not exist or is named twice."""
    found = sorted(normal_axis(axis, rank) for axis in axes)
    if len(set(found)) != len(found):
        raise ShapeError(f"Axes {found} name one axis twice.")
    return tuple(found)


def need_rank(value: Value, least: int, what: str) -> None:
    """Raise ShapeError when a value has fewer axes than `least`."""
    if value.rank < least:
        raise ShapeError(f"{what} needs at least {least} axes; {value} has {value.rank}.")


def spatial_axes(rank: int, layout: str) -> tuple[int, ...]:
    """Which axes of a picture are neither batch nor channel."""
    return tuple(range(2, rank)) if layout == "NCHW" else tuple(range(1, rank - 1))


def channel_axis(rank: int, layout: str) -> int:
    """Which axis of a picture holds the channels. Raises UnsupportedOpError for an unknown layout."""
    if layout not in ("NCHW", "NHWC"):
        raise UnsupportedOpError(f"Layout {layout!r} is not known; use 'NCHW' or 'NHWC'.")
    return 1 if layout == "NCHW" else rank - 1


def picture_shape(batch: Dim, spatial: Iterable[Dim], channels: Dim, layout: str) -> Shape:
    """The shape of a picture in a layout."""
    return (batch, channels, *spatial) if layout == "NCHW" else (batch, *spatial, channels)
