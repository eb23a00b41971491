"""Which steps are shared out among threads. No step is run here: tests/browser/test_threads.py does that."""

import numpy as np

from intab.backends.wasm.sharing import CHUNKS_PER_THREAD, Sharing
from intab.dtypes import float32
from intab.graph.dims import symbol
from intab.ops.builder import Builder
from intab.program import build
from intab.program.bind import Binder
from intab.target import WASM_SIMD, Target


def product_and_sum(depth: int, columns: int, target: Target = WASM_SIMD) -> Binder:
    """[N, depth] @ [depth, columns], and the sum of all that."""
    builder = Builder("test")
    x = builder.input("x", float32, (symbol("N"), depth))
    y = builder.emit("MatMul", x, builder.constant(np.ones((depth, columns), np.float32)))
    total = builder.emit("ReduceSum", y, axes=(0, 1), keepdims=False)
    return Binder(build(builder.graph([("y", y), ("total", total)]), target))


def test_large_steps_are_shared_out_in_chunks_that_cover_their_items() -> None:
    binder = product_and_sum(256, 512)
    plan = binder.bind({"N": 1024})
    for threads in (2, 8):
        shares = Sharing(binder.program, threads).shares(plan, {"N": 1024})
        assert (shares.together, shares.certain) == ((True,), (False,))
        shared = shares.chunks > 0
        assert shared.any() and not shared.all()
        assert (shares.chunks[shared] < plan.items[shared]).all()
        pieces = -(-plan.items[shared] // shares.chunks[shared])
        assert (pieces >= 2).all() and (pieces <= CHUNKS_PER_THREAD * threads).all()


def test_long_runs_are_all_threads_and_what_lies_between_is_timed() -> None:
    binder = product_and_sum(256, 512)
    for rows, together, certain in ((1, False, True), (64, False, False), (1024, True, False), (16384, True, True)):
        shares = Sharing(binder.program, 2).shares(binder.bind({"N": rows}), {"N": rows})
        assert (shares.together, shares.certain) == ((together,), (certain,))


def test_matrices_of_few_rows_are_cut_into_pieces_for_threads() -> None:
    """Blocks as one thread likes them would be one or two."""
    for rows, one, many in ((49, 4, 16), (196, 10, 20), (12544, 524, 524)):
        for target, items in ((WASM_SIMD, one), (WASM_SIMD.with_feature("threads"), many)):
            assert product_and_sum(256, 512, target).bind({"N": rows}).items[0] == items


def test_small_steps_and_runs_are_one_threads() -> None:
    binder = product_and_sum(16, 8)
    shares = Sharing(binder.program, 2).shares(binder.bind({"N": 1}), {"N": 1})
    assert shares.chunks.tolist() == [0] * len(binder.program.steps)
    assert shares.together == (False,)


def test_a_step_without_items_is_never_shared() -> None:
    """No thread would finish its last chunk, and all would wait."""
    binder = product_and_sum(256, 512)
    shares = Sharing(binder.program, 2).shares(binder.bind({"N": 0}), {"N": 0})
    assert shares.chunks.tolist() == [0] * len(binder.program.steps)


def test_nothing_is_shared_on_one_thread() -> None:
    binder = product_and_sum(256, 512)
    plan = binder.bind({"N": 1024})
    shares = Sharing(binder.program, 1).shares(plan, {"N": 1024})
    assert not shares.chunks.any()
    assert shares.together == (False,)
