"""Which ways of sharing a product a device has, and which of them suits a product best before any has been timed.

An estimate, in multiply-adds of one invocation: what a tuner finds on the device itself is better.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from intab.graph.dims import Dim
from intab.kernels.families.grid_shape import LANES, REGISTERS, SHARED, SUBGROUP, GridShape
from intab.target import Target

# Subgroups of so few are the vector registers of a CPU, on which shaders run where there is no GPU.
MOST_LANES_OF_CPUS = 8
# Sizes that are not known are taken for this; the pixels of a picture are more.
UNKNOWN, MANY = 128, 4096
# What a turn of a loop may hold: longer ones take long to compile and little less time to run.
MOST_DEPTHS = 8
MOST_PRODUCTS = 1024


@dataclass(frozen=True, slots=True)
class Prices:
    """What things cost on a kind of device, where a multiply-add costs 1.

    `load` is one number from a buffer, `shared` one from shared memory, `told` one of a member of the subgroup;
    `barrier` every one; `tile` setting out and storing, for each sum; `code` each multiply-add that is written down and
    compiled, shared out among some hundred uses. `invocations` keep the device busy.
    """

    load: float
    shared: float
    told: float
    barrier: float
    tile: float
    code: float
    invocations: int


# Measured on SwiftShader: 25 cycles a load from anywhere, 1.5 a quad's broadcast, 2.6 a multiply-add; barriers switch
# stacks.
CPU_PRICES = Prices(load=10.0, shared=10.0, told=0.6, barrier=400.0, tile=20.0, code=40_000, invocations=16)
# Loads that neighbours share come from the cache; what is shared in the workgroup costs a quarter of that.
GPU_PRICES = Prices(load=4.0, shared=1.0, told=1.0, barrier=16.0, tile=8.0, code=0, invocations=8192)

# (rows, columns) of an invocation of a subgroup: a CPU's registers spill to its first-level cache, a GPU's must not.
CPU_TILES = ((16, 32), (16, 24), (14, 32), (8, 32), (7, 32), (4, 32), (8, 16), (4, 16), (16, 8), (4, 8))
GPU_TILES = ((8, 8), (4, 16), (4, 8), (2, 8))
ALONE = (GridShape(REGISTERS, 8, 16), GridShape(REGISTERS, 4, 8))
TEAMS = (
    GridShape(REGISTERS, 4, 8, down=8, across=8),
    GridShape(REGISTERS, 4, 4, down=8, across=8),
    GridShape(SHARED, 8, 8, down=8, across=8, depths=16),
    GridShape(SHARED, 4, 8, down=8, across=8, depths=16),
    GridShape(SHARED, 4, 4, down=8, across=8, depths=16),
    GridShape(SHARED, 4, 4, down=4, across=16, depths=16),
)
# For few rows: what is missing in rows and columns is made up by parts of the depths.
SPLIT = (
    *(GridShape(REGISTERS, rows, 4, across=across, splits=64 // across) for rows in (1, 2, 4) for across in (16, 8, 4)),
    GridShape(REGISTERS, 8, 8, across=8, splits=4),
    GridShape(REGISTERS, 4, 8, down=4, across=4, splits=4),
)


def on_cpu(target: Target) -> bool:
    """Whether the target's shaders run on a CPU, as far as its subgroups tell."""
    return 0 < target.subgroup <= MOST_LANES_OF_CPUS


def candidates(target: Target) -> tuple[GridShape, ...]:
    """Every shape that the target can run, for a tuner to time."""
    tiles = CPU_TILES if on_cpu(target) else GPU_TILES
    together = tuple(GridShape(SUBGROUP, *tile, down=target.subgroup) for tile in tiles if target.subgroup)
    known = (*together, *ALONE, *TEAMS, *SPLIT)
    return tuple(s for s in known if s.team <= target.team_limit and s.shared_nbytes <= target.shared_nbytes)


def shape_for(
    target: Target, *, rows: Dim, columns: Dim, depth: Dim, batches: Dim, likely_rows: Dim = UNKNOWN
) -> GridShape:
    """The shape of which the least time is expected; of equal ones the first. Arguments as of `by_estimate`."""
    return by_estimate(target, rows=rows, columns=columns, depth=depth, batches=batches, likely_rows=likely_rows)[0]


def by_estimate(
    target: Target,
    *,
    rows: Dim,
    columns: Dim,
    depth: Dim,
    batches: Dim,
    likely_rows: Dim = UNKNOWN,
    is_written: Callable[[GridShape], bool] = lambda shape: False,
) -> list[GridShape]:
    """All candidates, that of which the least time is expected first.

    `is_written`: whether a shape's kernel will be compiled anyway, so that using it once more takes no compiling.
    `likely_rows`: so many there are likely to be where rows are not known; if that is not known either, as many as
    pictures have.
    """
    sizes = (
        _taken_for(rows, _taken_for(likely_rows, MANY)),
        _taken_for(columns, UNKNOWN),
        _taken_for(depth, UNKNOWN),
    )
    count = _taken_for(batches, 1)
    return sorted(candidates(target), key=lambda s: _estimate(s, target, sizes, count, written=is_written(s)))


def _taken_for(size: Dim, unknown: int) -> int:
    return size if isinstance(size, int) else unknown


def _estimate(shape: GridShape, target: Target, sizes: tuple[int, int, int], batches: int, *, written: bool) -> float:
    """How long a product of (rows, columns, depth) takes a busy device, longer where it is not; and its compiling."""
    rows, columns, depth = sizes
    cpu = on_cpu(target)
    prices = CPU_PRICES if cpu else GPU_PRICES
    tiles = max(1, batches * math.ceil(rows / shape.tile_rows) * math.ceil(columns / shape.tile_columns))
    sums = shape.rows * shape.columns
    each = math.ceil(depth / shape.splits) * (sums + _loads(shape, prices))
    if shape.splits > 1:
        each += 2 * prices.barrier + sums * prices.shared
    # A CPU runs the members of a subgroup at once, and all others one after the other.
    busy = tiles * shape.team / (target.subgroup if cpu else 1)
    running = tiles * shape.team * (each + sums * prices.tile) / min(1.0, busy / prices.invocations)
    return running + (0.0 if written else prices.code * shape.rows * shape.vectors * LANES)


def _loads(shape: GridShape, prices: Prices) -> float:
    """What loading costs an invocation for each depth."""
    if shape.via == SUBGROUP:
        return prices.load * (shape.rows + shape.columns / shape.team) + prices.told * shape.columns
    if shape.via == SHARED:
        brought = prices.load * (shape.tile_rows + shape.tile_columns) / shape.team
        return brought + prices.shared * (shape.rows + shape.columns) + 2 * prices.barrier / shape.depths
    return prices.load * (shape.rows + shape.columns)


def fitted(shape: GridShape, run: Dim, *, vector: bool, walks: bool, block: int = 0) -> tuple[GridShape, bool]:
    """The shape with depths that suit runs of so many, and whether these are whole turns, as they must be where a
    window `walks` from run to run.

    Depths read in vectors come in fours; others in as many as divide the run, unless that is next to none. They
    divide a `block` of depths, a multiple of four, if there is one.
    """
    if block:
        fitting, whole = fitted(shape, run, vector=vector, walks=walks)
        return replace(fitting, depths=math.gcd(fitting.depths, block)), whole
    if not isinstance(run, int):
        return replace(shape, depths=LANES), vector
    room = min(MOST_DEPTHS, MOST_PRODUCTS // (shape.rows * shape.columns))
    step = LANES if vector else 1
    depths = max(d for d in range(step, max(shape.depths, room) + 1, step) if run % d == 0)
    if depths < LANES - 1 and not walks:
        return replace(shape, depths=LANES), False
    return replace(shape, depths=depths), True
