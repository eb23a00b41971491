"""What is chosen on more than twenty made-up devices, and why; overriding it; timed runs where it is close."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from intab.errors import BackendUnavailableError, IntabError, OutOfMemoryError, UnsupportedOpError
from intab.runtime.choose import decide, rivals, settle
from intab.runtime.demand import Demand, Variant
from intab.runtime.device import Candidate, Choice
from tests.runtime.devices import DEVICES

MB = 1 << 20
ALL_FORMS = ("float32", "float16", "int8", "int4")


def model(*, gflop: float, values: float, steps: int, weights: float, largest: float, forms: int = 1) -> Demand:
    """A model: 1e9 operations, sizes in MiB; weights as float32, halved from form to form."""
    variants = tuple(
        Variant(form, int(weights * MB) // divisor)
        for form, divisor in zip(ALL_FORMS[:forms], (1, 2, 4, 8), strict=False)
    )
    return Demand(
        flops=int(gflop * 1e9),
        values_nbytes=int(values * MB),
        steps=steps,
        arena_nbytes=int(values * MB) // 10,
        largest_nbytes=int(largest * MB),
        variants=variants,
    )


TINY = model(gflop=0.0015, values=0.05, steps=20, weights=1, largest=0.3)
BIG = model(gflop=8, values=100, steps=60, weights=100, largest=10)
BIG_IN_FORMS = model(gflop=8, values=100, steps=60, weights=100, largest=10, forms=3)
BIG_IN_HALVES = model(gflop=2, values=200, steps=60, weights=200, largest=10, forms=2)
WORDS = model(gflop=0.3, values=10, steps=400, weights=540, largest=100, forms=4)
WIDE = model(gflop=8, values=400, steps=60, weights=100, largest=200)
HUGE = model(gflop=8, values=100, steps=60, weights=5000, largest=10)

# device, model -> back end, precision, threads, and words of its reasons
DECISIONS: list[tuple[str, Demand, str, str, int, tuple[str, ...]]] = [
    ("desktop with a card", TINY, "wasm", "float32", 8, ("by webgpu about", "8 threads on 16 processors")),
    ("desktop with a card", BIG, "webgpu", "float32", 1, ("by wasm about",)),
    ("desktop with a card", WORDS, "webgpu", "float16", 1, ("since int8 and int4 would not be 1.3 times as fast",)),
    ("laptop with a chip", TINY, "wasm", "float32", 4, ("up to 4 threads on 8 processors",)),
    ("laptop with a chip", BIG, "webgpu", "float32", 1, ("by wasm about",)),
    ("laptop with a chip", BIG_IN_FORMS, "webgpu", "int8", 1, ("not float32: a run takes about",)),
    ("laptop with a chip", BIG_IN_HALVES, "webgpu", "float16", 1, ("not float32: a run takes",)),
    ("no f16", BIG_IN_HALVES, "webgpu", "float32", 1, ("float32, since float16 would not be 1.3 times as fast",)),
    ("phone", TINY, "wasm", "float32", 4, ("by webgpu about",)),
    ("phone", BIG, "webgpu", "float32", 1, ("by wasm about",)),
    ("no WebGPU", BIG, "wasm", "float32", 4, ("not webgpu: this browser has no WebGPU",)),
    ("fallback adapter", BIG, "wasm", "float32", 2, ("the adapter is software (google swiftshader)",)),
    ("1 GiB", WORDS, "wasm", "int4", 4, ("not float32: it needs 541 MiB, where some 512 MiB are at hand",)),
    ("1 GiB", BIG, "wasm", "float32", 4, ("the only one here that is of use",)),
    ("not isolated", BIG, "wasm", "float32", 1, ("one thread, since the page is not cross-origin isolated",)),
    ("no relaxed SIMD", BIG, "wasm", "float32", 4, ("the only one here",)),
    ("no SIMD", BIG, "webgpu", "float32", 1, ("not wasm: this browser's WebAssembly does not have it",)),
    ("tiny limits", BIG, "wasm", "float32", 4, ("maxStorageBuffersPerShaderStage is 4, and kernels need 8",)),
    ("default limits", BIG, "webgpu", "float32", 1, ("by wasm about",)),
    ("default limits", WIDE, "wasm", "float32", 4, ("200 MiB is more than the adapter's maxStorageBufferBindingSize",)),
    ("no subgroups", BIG, "webgpu", "float32", 1, ("by wasm about",)),
    ("no packed products", BIG_IN_FORMS, "webgpu", "float32", 1, ("float16 and int8 would not be 1.3 times",)),
    ("no storage", BIG, "webgpu", "float32", 1, ("so that the model is downloaded at each visit",)),
    ("full storage", BIG, "webgpu", "float32", 1, ("keeps 0.0 MiB more for this site, and the model has 100 MiB",)),
    ("file page", TINY, "wasm", "float32", 1, ("one thread, since", "downloaded at each visit")),
    ("file page", BIG, "webgpu", "float32", 1, ("by wasm about",)),
    ("not secure", BIG, "wasm", "float32", 1, ("not webgpu", "one thread, since")),
    ("one processor", BIG, "wasm", "float32", 1, ("one thread on one processor",)),
    ("unknown memory", BIG, "webgpu", "float32", 1, ("by wasm about",)),
    ("nameless adapter", BIG, "webgpu", "float32", 1, ("by wasm about",)),
    ("desktop Python", BIG, "wasm", "float32", 1, ("the only one here",)),
    ("desktop Python without wasmtime", BIG, "reference", "float32", 1, ("the wasmtime package is not installed",)),
]


@pytest.mark.parametrize(
    "name, demand, backend, precision, threads, words",
    DECISIONS,
    ids=[f"{name}, {demand.flops / 1e9:g} GFLOP" for name, demand, *_ in DECISIONS],
)
def test_decisions(name: str, demand: Demand, backend: str, precision: str, threads: int, words: tuple[str, ...]):
    choice = decide(DEVICES[name], demand)
    assert (choice.backend, choice.precision, choice.threads) == (backend, precision, threads), str(choice)
    for expected in words:
        assert expected in str(choice)
    chosen = one_of(choice, backend, precision)
    assert chosen.refused == "" and chosen.threads == threads
    assert len(choice.candidates) == 3 * len(demand.variants)


def test_every_device_is_decided_about():
    assert {name for name, *_ in DECISIONS} == set(DEVICES)


def one_of(choice: Choice, backend: str, precision: str = "float32") -> Candidate:
    (found,) = [one for one in choice.candidates if (one.backend, one.precision) == (backend, precision)]
    return found


def test_software_is_never_preferred_to_webassembly():
    for demand in (TINY, BIG, BIG_IN_FORMS, WORDS, WIDE):
        choice = decide(DEVICES["fallback adapter"], demand)
        assert choice.backend == "wasm"
        assert "software" in one_of(choice, "webgpu").refused
        assert all(one.backend == "wasm" for one in rivals(choice))


def test_software_is_better_than_numpy():
    device = replace(DEVICES["fallback adapter"], wasm=None)
    assert decide(device, BIG).backend == "webgpu"


def test_relaxed_simd_and_subgroups_count_in_estimates():
    def estimate(name: str, backend: str) -> float:
        return one_of(decide(DEVICES[name], BIG), backend).estimated_ms

    assert estimate("no relaxed SIMD", "wasm") > 1.3 * estimate("no WebGPU", "wasm")
    assert estimate("no subgroups", "webgpu") > 1.2 * estimate("laptop with a chip", "webgpu")
    assert estimate("phone", "wasm") > 2 * estimate("laptop with a chip", "wasm")


def test_only_back_ends_that_there_are_can_be_chosen():
    choice = decide(DEVICES["desktop with a card"], BIG, backends=("wasm", "reference"))
    assert choice.backend == "wasm"
    assert {one.backend for one in choice.candidates} == {"wasm", "reference"}


def test_a_model_that_a_back_end_cannot_run_goes_to_another():
    why = "node '/head/NonZero' (NonZero): its size depends on data"
    choice = decide(DEVICES["desktop with a card"], replace(BIG, refused={"webgpu": why}))
    assert choice.backend == "wasm"
    assert f"not webgpu: {why}" in str(choice)


def test_halves_take_room_where_they_are_widened():
    with_halves = decide(DEVICES["laptop with a chip"], BIG_IN_HALVES)
    widened = decide(DEVICES["no f16"], BIG_IN_HALVES)
    arena_nbytes = BIG_IN_HALVES.arena_nbytes
    assert one_of(with_halves, "webgpu", "float16").needed_nbytes == 100 * MB + arena_nbytes
    assert one_of(widened, "webgpu", "float16").needed_nbytes == 200 * MB + arena_nbytes
    assert one_of(with_halves, "wasm", "float16").needed_nbytes == 200 * MB + arena_nbytes


def test_what_fits_nowhere_is_tried_with_a_warning():
    device = replace(DEVICES["1 GiB"], memory_nbytes=256 * MB)
    choice = decide(device, BIG_IN_HALVES.offered_as(Variant("float32", 200 * MB), Variant("int8", 180 * MB)))
    assert choice.precision == "int8"
    assert "it needs 200 MiB, where some 128 MiB are at hand, so that memory may run out" in choice.reasons


def test_what_no_memory_of_webassembly_can_hold_is_refused_with_every_reason():
    with pytest.raises(BackendUnavailableError) as caught:
        decide(DEVICES["no WebGPU"], HUGE, backends=("wasm", "webgpu"))
    message = str(caught.value)
    assert "wasm: it needs 5,010 MiB, and a memory of WebAssembly has 4,096 MiB" in message
    assert "webgpu: this browser has no WebGPU" in message


@pytest.mark.parametrize(
    "name, request_, expected",
    [
        ("desktop with a card", {"backend": "wasm"}, ("wasm", "int8", 8)),
        ("desktop with a card", {"backend": "reference"}, ("reference", "float32", 1)),
        ("fallback adapter", {"backend": "webgpu"}, ("webgpu", "int8", 1)),
        ("laptop with a chip", {"precision": "float16"}, ("webgpu", "float16", 1)),
        ("laptop with a chip", {"precision": "float32", "backend": "wasm", "threads": 2}, ("wasm", "float32", 2)),
        ("laptop with a chip", {"threads": 3}, ("wasm", "int8", 3)),
    ],
)
def test_it_can_be_overridden(name: str, request_: Mapping[str, object], expected: tuple[str, str, int]):
    choice = decide(DEVICES[name], BIG_IN_FORMS, **request_)
    assert (choice.backend, choice.precision, choice.threads) == expected
    if "backend" in request_:
        assert choice.reasons[0].startswith("asked for")
        assert len(rivals(choice)) == 1


def test_software_that_is_asked_for_is_told():
    choice = decide(DEVICES["fallback adapter"], BIG, backend="webgpu")
    assert choice.reasons[0] == "asked for, although the adapter is software (google swiftshader)"


@pytest.mark.parametrize(
    "name, request_, error, words",
    [
        ("no WebGPU", {"backend": "webgpu"}, BackendUnavailableError, "webgpu: this browser has no WebGPU.*Use a"),
        ("laptop with a chip", {"backend": "webgl"}, BackendUnavailableError, "no back end 'webgl' in this version"),
        ("not isolated", {"threads": 4}, BackendUnavailableError, "not cross-origin isolated"),
        ("laptop with a chip", {"backend": "webgpu", "threads": 4}, BackendUnavailableError, "has one thread, not 4"),
        ("laptop with a chip", {"precision": "int8"}, UnsupportedOpError, "offered as float32"),
        ("tiny limits", {"backend": "webgpu"}, BackendUnavailableError, "kernels need 8"),
    ],
)
def test_what_cannot_be_had_is_refused_in_words(
    name: str, request_: Mapping[str, object], error: type[IntabError], words: str
):
    with pytest.raises(error, match=words):
        decide(DEVICES[name], BIG, **request_)


def test_forms_that_are_unknown_are_refused():
    with pytest.raises(UnsupportedOpError, match="offered as int3, which is none of float32"):
        decide(DEVICES["phone"], BIG.offered_as(Variant("int3", 10)))


def test_sizes_that_were_assumed_are_told():
    choice = decide(DEVICES["phone"], replace(BIG, assumed=(("height", 256),)))
    assert "sizes taken for granted: height=256" in choice.reasons


def test_the_candidates_print_as_a_table():
    lines = decide(DEVICES["fallback adapter"], BIG_IN_HALVES).table().splitlines()
    assert lines[0].split() == ["back", "end", "precision", "threads", "MB", "about", "ms", "timed", "ms"]
    assert len(lines) == 7
    assert sum(line.endswith("chosen") for line in lines) == 1
    assert any("which WebAssembly outruns" in line for line in lines)


def close() -> Choice:
    """A choice of the chip with WebAssembly near: a run of each has to be timed."""
    choice = decide(DEVICES["laptop with a chip"], BIG)
    assert [one.backend for one in rivals(choice)] == ["webgpu", "wasm"]
    return choice


def test_what_is_close_is_told_apart_by_a_timed_run():
    asked = []

    async def trial(one: Candidate) -> float:
        asked.append((one.backend, one.threads))
        return {"webgpu": 50.0, "wasm": 20.0}[one.backend]

    choice = asyncio.run(settle(close(), trial))
    assert asked == [("webgpu", 1), ("wasm", 4)]
    assert (choice.backend, choice.threads, choice.measured) == ("wasm", 4, True)
    assert choice.reasons[-1] == "a run was timed, since it was close: webgpu 50 ms, wasm 20 ms"
    assert (one_of(choice, "wasm").measured_ms, one_of(choice, "webgpu").measured_ms) == (20.0, 50.0)
    assert "20.0" in choice.table()


def test_a_timed_run_can_confirm_the_estimate():
    async def trial(one: Candidate) -> float:
        return one.estimated_ms

    before = close()
    choice = asyncio.run(settle(before, trial))
    assert (choice.backend, choice.threads, choice.measured) == ("webgpu", 1, before.measured)


def test_what_is_clear_is_not_timed():
    async def trial(one: Candidate) -> float:
        raise AssertionError("nothing is to be timed")

    choice = decide(DEVICES["desktop with a card"], BIG)
    assert asyncio.run(settle(choice, trial)) is choice


def test_a_rival_that_fails_is_refused_and_the_other_taken():
    async def trial(one: Candidate) -> float:
        if one.backend == "webgpu":
            raise OutOfMemoryError("webgpu: no buffer of 100 MB")
        return 30.0

    choice = asyncio.run(settle(close(), trial))
    assert choice.backend == "wasm"
    assert one_of(choice, "webgpu").refused == "tried, and failed: webgpu: no buffer of 100 MB"


def test_when_every_rival_fails_the_error_is_raised():
    async def trial(one: Candidate) -> float:
        raise OutOfMemoryError(f"{one.backend}: none")

    with pytest.raises(OutOfMemoryError, match="webgpu: none"):
        asyncio.run(settle(close(), trial))
