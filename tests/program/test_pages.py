"""Regions in pages: no step may read the device buffer that it writes."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intab.dtypes import float32
from intab.errors import KernelError, OutOfMemoryError
from intab.program.bind import Binder
from intab.program.ir import ARENA, INPUTS, OUTPUTS, WEIGHTS, Buffer, Port, Program, Segment, Step, Word
from intab.program.memory import Lifetime, largest_live_set, place_reused, spread_over_pages
from intab.program.pages import Pages, split_regions
from intab.target import WEBGPU

# dims: 0, then the sizes of buffers in bytes
NBYTES = 1024
LARGE = WEBGPU.binding_nbytes // 2 + 64
ACCESSES = (("read", "write"), ("read", "read", "write"))


def program(
    regions: tuple[int, ...], steps: tuple[tuple[int, ...], ...], large: frozenset[int] = frozenset()
) -> Program:
    """Steps name the buffers that they read, then the one that they write."""
    made = tuple(
        Step(len(names) - 2, tuple(Word(0, 0, buffer, 4) for buffer in names), 1, f"step {number}")
        for number, names in enumerate(steps)
    )
    uses = {b: [n for n, names in enumerate(steps) if b in names] or [0] for b in range(len(regions))}
    buffers = tuple(
        Buffer(region, 2 if b in large else 1, min(uses[b]), max(uses[b])) for b, region in enumerate(regions)
    )
    ports = tuple(Port(f"p{b}", float32, (NBYTES // 4,), b) for b, region in enumerate(regions) if region == OUTPUTS)
    dims = (0, NBYTES, LARGE, NBYTES // 4)
    names = ("one", "two")
    return Program("test", WEBGPU, (), made, (Segment(0, len(made)),), buffers, (), (), ports, dims, (), names)


def assert_apart(pages: Pages, made: Program) -> None:
    for step in made.steps:
        *read, written = (pages.of_buffer[word.buffer] for word in step.words)
        assert written not in read


def test_a_chain_takes_two_pages_of_the_arena():
    made = program((INPUTS, ARENA, ARENA, ARENA, ARENA, OUTPUTS), ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5)))
    pages = split_regions(made, ACCESSES)
    assert_apart(pages, made)
    assert pages.regions.count(ARENA) == 2
    assert pages.regions[:4] == (WEIGHTS, ARENA, INPUTS, OUTPUTS)


def test_a_shortcut_around_two_steps_takes_a_third_page():
    made = program((INPUTS, ARENA, ARENA, ARENA, OUTPUTS), ((0, 1), (1, 2), (1, 2, 3), (3, 4)))
    pages = split_regions(made, ACCESSES)
    assert_apart(pages, made)
    assert pages.regions.count(ARENA) == 3


def test_outputs_that_are_made_of_outputs_lie_in_pages_of_their_own():
    made = program((INPUTS, OUTPUTS, OUTPUTS), ((0, 1), (1, 2)))
    pages = split_regions(made, ACCESSES)
    assert_apart(pages, made)


def test_two_results_of_a_step_lie_in_two_pages():
    made = program((INPUTS, ARENA, ARENA, OUTPUTS), ((0, 1, 2), (1, 2, 3)))
    pages = split_regions(made, (("read", "write"), ("read", "write", "write")))
    assert pages.of_buffer[1] != pages.of_buffer[2]


def test_buffers_of_a_page_that_live_at_once_do_not_overlap():
    made = program((INPUTS, ARENA, ARENA, ARENA, OUTPUTS), ((0, 1), (0, 2), (1, 2, 3), (3, 4)))
    binder = Binder(made, split_regions(made, ACCESSES))
    plan = binder.bind({})
    first, second = plan.buffer_offsets[1], plan.buffer_offsets[2]
    assert binder.pages.of_buffer[1] == binder.pages.of_buffer[2]
    assert abs(first - second) >= NBYTES
    assert len(plan.region_nbytes) == len(binder.pages.regions)


def test_a_step_that_reads_what_it_writes_is_a_mistake():
    with pytest.raises(KernelError, match="step 0.*reads the buffer"):
        split_regions(program((ARENA,), ((0, 0),)), ACCESSES)


def test_weights_that_do_not_fit_one_binding_are_spread():
    made = program((WEIGHTS, WEIGHTS, ARENA), ((0, 1, 2),), large=frozenset({0, 1}))
    pages = split_regions(made, ACCESSES)
    assert pages.of_buffer[0] != pages.of_buffer[1]
    assert pages.regions.count(WEIGHTS) == 2


def test_a_weight_larger_than_a_binding_is_refused():
    made = program((WEIGHTS, WEIGHTS, ARENA), ((0, 1, 2),))
    huge = replace(made, dims=(0, 2 * LARGE, 0, 0))
    with pytest.raises(OutOfMemoryError, match=r"a weight of node 'step 0' \(weights\) takes 134,217,856 bytes"):
        split_regions(huge, ACCESSES)


# Two values of inputs, four of the arena that all live until the last step, and two of outputs.
WIDE = ((INPUTS, INPUTS, *[ARENA] * 4, OUTPUTS, OUTPUTS), ((0, 2), (1, 3), (0, 4), (1, 5), (2, 3, 6), (4, 5, 7)))


def limited(limit: int) -> tuple[Program, Binder]:
    made = program(*WIDE)
    made = replace(made, target=replace(WEBGPU, binding_nbytes=limit))
    return made, Binder(made, split_regions(made, ACCESSES))


@pytest.mark.parametrize("limit, pages", [(8 * NBYTES, 1), (4 * NBYTES, 1), (2 * NBYTES + 100, 2), (NBYTES, 4)])
def test_a_page_that_would_be_too_large_is_spread_over_several(limit: int, pages: int):
    made, binder = limited(limit)
    plan = binder.bind({})
    assert binder.pages.regions.count(ARENA) == pages
    assert max(plan.region_nbytes) <= limit
    assert len(plan.region_nbytes) == len(binder.pages.regions)
    assert_apart(binder.pages, made)
    places = list(zip(binder.pages.of_buffer, plan.buffer_offsets.tolist(), strict=True))
    assert len(set(places)) == len(places), "two values that live at once lie in one place"
    assert binder.pages.regions.count(INPUTS) == (2 if limit < 2 * NBYTES else 1)


@pytest.mark.parametrize("buffer, what", [(2, "what node 'step 0' computes"), (6, "'p6'")])
def test_a_value_larger_than_a_page_is_refused_by_name(buffer: int, what: str):
    made, _ = limited(NBYTES)
    buffers = [replace(one, nbytes_dim=2) if n == buffer else one for n, one in enumerate(made.buffers)]
    made = replace(made, buffers=tuple(buffers))
    with pytest.raises(OutOfMemoryError, match=f"test: .*{what}.* takes {LARGE:,} bytes; .* may see {NBYTES:,} of one"):
        Binder(made, split_regions(made, ACCESSES)).bind({})


LIVES = st.builds(Lifetime, st.integers(0, 9), st.integers(10, 19), st.integers(1, 4000))


@settings(max_examples=100, deadline=None)
@given(st.lists(LIVES, max_size=30))
def test_no_page_is_filled_beyond_its_room(lives: list[Lifetime]):
    pages = spread_over_pages(lives, 4096)
    for page in range(max(pages, default=-1) + 1):
        members = [life for life, other in zip(lives, pages, strict=True) if other == page]
        assert members and largest_live_set(members) <= 4096
        assert place_reused(members).nbytes <= 4096
