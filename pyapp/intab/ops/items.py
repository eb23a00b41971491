"""How much an item of a kernel does: the one place that decides it for kernels without a shape of their own.

Where items are large an item is a row or a block of some thousand elements, as the families say. On a GPU it is one
vector of the result where all that is read and written lies in whole vectors, else one element (`families/share.py`).
"""

from collections.abc import Iterable
from dataclasses import replace

from intab.graph.dims import Dim, floor_div, remainder
from intab.kernels.families.loops import lanes_for
from intab.kernels.families.team import TeamShape
from intab.kernels.scalar import ScalarFunction
from intab.ops.lowering import Lowering, Place

# A row of fewer elements is not worth a team.
SHORT_ROW = 32
# As many items keep a GPU busy.
MANY_ITEMS = 4096
# Members of a team that shares memory, and of one that goes through a long row.
TEAM, LARGE_TEAM = 64, 256
LONG_ROW = 4096


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


def team_shape(lowering: Lowering, items: Dim, length: Dim, width: int, *, columns: bool = False) -> TeamShape:
    """Who goes through a row of `length` elements, `width` at a time, when there are so many items.

    With `columns`, items side by side read side by side, so that many of them had better do without teams.
    """
    target = lowering.target
    alone = TeamShape(1, width)
    if isinstance(length, int) and length <= SHORT_ROW:
        return alone
    if columns and not (isinstance(items, int) and items < MANY_ITEMS):
        return alone
    few = isinstance(items, int) and items * TEAM < MANY_ITEMS
    if few and not (isinstance(length, int) and length < LONG_ROW) and target.team_limit >= LARGE_TEAM:
        return replace(alone, members=LARGE_TEAM)
    if target.subgroup > 1:
        return replace(alone, members=target.subgroup, in_subgroup=True)
    return replace(alone, members=min(TEAM, target.team_limit))


def pieces(inner: Dim, width: int, *axes: Dim) -> Dim:
    """How many more items there are by `width`: of `inner` elements, at every place of further `axes`."""
    if not width:
        return 1
    count = floor_div(inner, width)
    for size in axes:
        count = count * size
    return count
