"""Constants as rows of a table: places in the model, rules over other constants, or bytes that are kept as blobs.

[dtype, shape, place, nbytes]                        place: an offset in the model, or minus the number of a blob
[dtype, shape, ["transposed", perm], constant]
[dtype, shape, ["scaled", axis], constant, factor]
[dtype, shape, ["widened", null], constant]
[dtype, shape, ["unpacked", [shape, bits, width, signed, middle]], constant]
"""

from dataclasses import dataclass
from typing import Any

from intab.dtypes import DTYPES
from intab.graph.derived import Rule, Scaled, Transposed, Unpacked, Widened
from intab.graph.ir import Constant
from intab.graph.storage import MemoryStorage, Storage

Row = Any  # what json makes of a list


@dataclass(frozen=True, slots=True)
class ConstantWriter:
    """Makes rows; what neither the model nor a rule holds is added to `blobs`, whose first is somebody else's."""

    model: Storage
    blobs: list[bytes]

    def row(self, constant: Constant) -> Row:
        dtype, shape, rule = constant.dtype.name, constant.shape, constant.storage
        if isinstance(rule, Transposed) and rule.nbytes == constant.nbytes:
            return [dtype, shape, ["transposed", rule.perm], self.row(rule.source)]
        if isinstance(rule, Scaled) and rule.nbytes == constant.nbytes:
            return [dtype, shape, ["scaled", rule.axis], self.row(rule.source), self.row(rule.factor)]
        if isinstance(rule, Widened) and rule.nbytes == constant.nbytes:
            return [dtype, shape, ["widened", None], self.row(rule.source)]
        if isinstance(rule, Unpacked) and rule.nbytes == constant.nbytes:
            how = [rule.shape, rule.bits, rule.width, rule.signed, rule.middle]
            return [dtype, shape, ["unpacked", how], self.row(rule.source)]
        if rule is self.model:
            return [dtype, shape, constant.offset, constant.nbytes]
        self.blobs.append(bytes(rule.read(constant.offset, constant.nbytes)))
        return [dtype, shape, 1 - len(self.blobs), constant.nbytes]


@dataclass(frozen=True, slots=True)
class ConstantReader:
    """Makes constants of rows again."""

    model: Storage
    blobs: list[memoryview]

    def constant(self, row: Row) -> Constant:
        dtype, shape, place, *rest = row
        if isinstance(place, int):
            made = place < 0
            storage = MemoryStorage("constant", self.blobs[-place]) if made else self.model
            return Constant(DTYPES[dtype], tuple(shape), storage, 0 if made else place, rest[0])
        (kind, how), sources = place, [self.constant(one) for one in rest]
        rule = _rule(kind, how, sources)
        return Constant(DTYPES[dtype], tuple(shape), rule, 0, rule.nbytes)


def _rule(kind: str, how: Row, sources: list[Constant]) -> Rule:
    if kind == "transposed":
        return Transposed(sources[0], tuple(how))
    if kind == "unpacked":
        shape, bits, width, signed, middle = how
        return Unpacked(sources[0], tuple(shape), bits, width, signed, middle)
    return Scaled(sources[0], sources[1], how) if kind == "scaled" else Widened(sources[0])
