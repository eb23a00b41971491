"""How much an item of a kernel does: the one place that decides it for kernels without a shape of their own.

Where items are large an item is a row or a block of some thousand elements, as the families say. On a GPU it is one
vector of the result where all that is read and written lies in whole vectors, else one element (`families/share.py`).
"""

from collections.abc import Iterable

from intab.graph.dims import Dim, floor_div, remainder
from intab.kernels.families.loops import lanes_for
from intab.kernels.scalar import ScalarFunction
from intab.ops.lowering import Lowering, Place


def item_width(
    lowering: Lowering,
    inner: Dim,
    places: Iterable[Place],
    strides: Iterable[Dim] = (),
    functions: Iterable[ScalarFunction | None] = (),
) -> int:
    """How many neighbouring elements an item does of an innermost axis of `inner`, which all of `places` have; 0 means
    all of them.

    `strides` are the distances between rows along that axis; `functions` what is done with the elements.
    """
    if not lowering.target.small_items:
        return 0
    lying = list(places)
    lanes = lanes_for(lowering.target.lanes, *(place.dtype.name for place in lying), functions=functions)
    numbers = (inner, *strides, *(place.offset for place in lying))
    return lanes if all(remainder(number, lanes) == 0 for number in numbers) else 1


def pieces(inner: Dim, width: int, *axes: Dim) -> Dim:
    """How many more items there are by `width`: of `inner` elements, at every place of further `axes`."""
    if not width:
        return 1
    count = floor_div(inner, width)
    for size in axes:
        count = count * size
    return count
