"""How the invocations of a GPU share a product of matrices, as data.

registers  every invocation loads what it needs; with `splits`, each of so many takes a part of the depths
shared     a team loads blocks of both sides into memory that it shares, and multiplies from there
subgroup   members have rows of their own and all the same columns: each loads a part of the right side, and the
           others ask for it
"""

from dataclasses import dataclass

from intab.errors import KernelError

REGISTERS, SHARED, SUBGROUP = "registers", "shared", "subgroup"
LANES = 4
FLOAT_NBYTES = 4


@dataclass(frozen=True, slots=True)
class GridShape:
    """A member's tile has `rows` x `columns` sums; a team has `down` x `across` such tiles, and `splits` members each.

    `depths` are taken in one turn of the loop over them. Columns are whole vectors of four.
    """

    via: str
    rows: int
    columns: int
    down: int = 1
    across: int = 1
    splits: int = 1
    depths: int = LANES

    def __post_init__(self) -> None:
        sizes = (self.rows, self.columns, self.down, self.across, self.splits, self.depths)
        if self.via not in (REGISTERS, SHARED, SUBGROUP) or min(sizes) < 1 or self.columns % LANES:
            raise KernelError(f"{self} is no way to share a product: sizes are 1 or more, columns a multiple of four.")
        if (self.via == SUBGROUP and self.across > 1) or (self.via != REGISTERS and self.splits > 1):
            raise KernelError(f"{self}: subgroups have all the same columns, and only registers are split.")

    @property
    def name(self) -> str:
        """What tells it from all others, for people and stores."""
        parts = f" in {self.splits} parts" if self.splits > 1 else ""
        return f"{self.via} {self.rows}x{self.columns}, {self.down}x{self.across} members{parts}, {self.depths} deep"

    @property
    def vectors(self) -> int:
        """Vectors in a row of a member's tile."""
        return self.columns // LANES

    @property
    def team(self) -> int:
        return self.down * self.across * self.splits

    @property
    def tile_rows(self) -> int:
        return self.rows * self.down

    @property
    def tile_columns(self) -> int:
        return self.columns * self.across

    @property
    def pitch(self) -> int:
        """Elements from row to row of the shared left side; a vector more than a row has spreads rows over banks."""
        return -(-self.depths // LANES) * LANES + LANES

    @property
    def shared_nbytes(self) -> int:
        """The memory that a team shares."""
        if self.via == SHARED:
            return FLOAT_NBYTES * (self.tile_rows * self.pitch + self.depths * self.tile_columns)
        return FLOAT_NBYTES * self.splits * self.tile_rows * self.tile_columns if self.splits > 1 else 0
