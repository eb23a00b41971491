"""Cases of weights packed into panels: every order of axes, panels that are not full, parts of a packing."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from intab.kernels.families.narrow_panel import TURNS, pack_narrow
from intab.kernels.families.pack_panels import pack_panels_of, pack_winograd_of
from intab.kernels.families.register_tile import TILE_COLUMNS, pack_panels
from intab.kernels.families.winograd_transform import LARGE, SMALL, pack_filters
from tests.kernels.case import Array, KernelCase, case, ceil_div, normal


def packings() -> Iterator[KernelCase]:
    for columns, outer, inner in ((21, 3, 5), (8, 1, 4), (16, 2, 1), (1, 1, 3), (7, 4, 2)):
        numbers, factor = normal(columns, outer, inner), normal(columns)
        for order in permutations(range(3)):
            stored = np.ascontiguousarray(numbers.transpose(order))
            words = _words(stored.transpose(np.argsort(order)))
            for scaled in (False, True):
                wanted = numbers * factor[:, None, None] if scaled else numbers
                expected = pack_panels(wanted.reshape(columns, -1).T)
                name = f"pack-panels-{columns}-{outer}-{inner}-{''.join(map(str, order))}-{scaled}"
                inputs = {"x": stored} | ({"factor": factor} if scaled else {})
                kernel = pack_panels_of("f32", scaled=scaled)
                yield case(name, kernel, inputs, words, ceil_div(columns, TILE_COLUMNS), expected)


def narrow_packings() -> Iterator[KernelCase]:
    for columns, depth in ((8, 3), (13, 5)):
        matrix = np.arange(depth * columns, dtype=np.uint8).reshape(depth, columns)
        words = _words(matrix.T[:, None])
        kernel = pack_panels_of("u8", order=TURNS)
        items = ceil_div(columns, TILE_COLUMNS)
        yield case(f"pack-bytes-{columns}", kernel, {"x": matrix}, words, items, pack_narrow(matrix, "u8"))


def winograd_packings() -> Iterator[KernelCase]:
    for transform in (SMALL, LARGE):
        for columns, depth in ((8, 3), (13, 2)):
            filters, factor = normal(columns, 3, 3, depth), normal(columns)
            for scaled in (False, True):
                wanted = filters * factor[:, None, None, None] if scaled else filters
                stored = np.ascontiguousarray(filters.transpose(0, 3, 1, 2))  # as files hold them
                words = _words(stored.reshape(columns, depth, 9).transpose(0, 2, 1))
                words["y_panel"] = depth * TILE_COLUMNS
                words["y_outer"] = ceil_div(columns, TILE_COLUMNS) * depth * TILE_COLUMNS
                inputs = {"x": stored} | ({"factor": factor} if scaled else {})
                name = f"pack-winograd-{transform.outputs}-{columns}-{scaled}"
                kernel = pack_winograd_of(transform, scaled=scaled)
                items = ceil_div(columns, TILE_COLUMNS)
                yield case(name, kernel, inputs, words, items, pack_filters(transform, wanted))


def _words(view: Array) -> dict[str, float]:
    """The words of a view [columns, outer, inner]."""
    (columns, outer, inner), (x_column, x_outer, x_inner) = view.shape, (s // view.itemsize for s in view.strides)
    words = {"columns": columns, "outer": outer, "inner": inner}
    words |= {"x_column": x_column, "x_outer": x_outer, "x_inner": x_inner}
    return words | {"y_panel": outer * inner * TILE_COLUMNS, "y_outer": inner * TILE_COLUMNS}
