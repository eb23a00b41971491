"""Kernels with inputs and the right outputs, for the interpreter and every generator alike."""

from collections.abc import Iterator
from dataclasses import replace

from tests.kernels.attention_cases import attentions, packed_heads
from tests.kernels.case import (
    KernelCase,
    case,
    ceil_div,
)
from tests.kernels.compressed_cases import compressed_matmuls
from tests.kernels.elementwise_cases import (
    copies,
    elementwise_flat,
    elementwise_strided,
    function_edges,
    halves,
    moves,
)
from tests.kernels.integer_cases import (
    integer_convolutions,
    integer_depthwises,
    integer_matmuls,
    lines_in_pairs,
    pair_packings,
    widenings,
)
from tests.kernels.integer_winograd_cases import integer_winograds, largest
from tests.kernels.operations import operations
from tests.kernels.packing_cases import narrow_packings, packings, winograd_packings
from tests.kernels.row_cases import places_of_best, reductions, rows
from tests.kernels.window_cases import matmuls, pools, resizes, right_sides
from tests.kernels.winograd_cases import winograds


def single_operations() -> Iterator[KernelCase]:
    for name, kernel, inputs, expected, edges in operations():
        words = {"count": expected.size}
        yield replace(case(name, kernel, inputs, words, ceil_div(expected.size, 4096), expected), needs_nan=edges)


CASES: list[KernelCase] = [
    case
    for family in (
        elementwise_flat,
        elementwise_strided,
        function_edges,
        halves,
        copies,
        moves,
        rows,
        reductions,
        places_of_best,
        pools,
        resizes,
        matmuls,
        right_sides,
        winograds,
        compressed_matmuls,
        packed_heads,
        attentions,
        widenings,
        lines_in_pairs,
        integer_depthwises,
        integer_matmuls,
        integer_convolutions,
        integer_winograds,
        largest,
        pair_packings,
        packings,
        narrow_packings,
        winograd_packings,
        single_operations,
    )
    for case in family()
]
