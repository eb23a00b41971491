"""Tuning on a device made up: what is timed, what is kept, and when it stops."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from intab.backends.tuning import Problem, Tunable
from intab.errors import BackendUnavailableError, CacheError
from intab.runtime.cache import MemoryPrograms
from intab.runtime.idle import Gate, IdleWork
from intab.runtime.tune import MOST_SHAPES, Tuned, Tuner, TuningReport
from intab.runtime.tuning import tune
from intab.runtime.tunings import Found, Tunings, with_found
from intab.target import WEBGPU


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@dataclass
class Device:
    """`ms` of each problem and shape; shapes that are not there are refused. Compiling takes a second."""

    ms: dict[str, dict[str, float]]
    clock: Clock
    shapes: tuple[str, ...] = ("a", "b", "c")
    compiled: list[tuple[str, str]] = field(default_factory=list)
    timed: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    forgotten: int = 0
    worth_tuning: bool = True
    notes: tuple[str, ...] = ()

    def problems(self) -> tuple[Problem, ...]:
        return tuple(Problem(name, self.shapes[0], self.shapes, 2) for name in self.ms)

    async def compile_way(self, problem: str, shape: str) -> str:
        self.compiled.append((problem, shape))
        if shape != self.shapes[0]:
            self.clock.now += 1.0
        return "" if shape in self.ms[problem] else "no such instruction"

    async def time_ways(self, ways: Sequence[tuple[str, str]], repeats: int) -> list[float]:
        self.timed.append((tuple(shape for _, shape in ways), repeats))
        self.clock.now += sum(self.ms[problem][shape] for problem, shape in ways) * repeats / 1e3
        return [self.ms[problem][shape] for problem, shape in ways]

    def forget_ways(self) -> None:
        self.forgotten += 1


def tuned(device: Device, budget: float = 1e3, known: Sequence[str] = ()) -> tuple[list[Tuned], Tuner]:
    async def collect() -> list[Tuned]:
        return [one async for one in tuner.run()]

    tuner = Tuner(device, budget, known=known, clock=device.clock)
    found = asyncio.run(collect())
    assert device.forgotten == 1
    return found, tuner


def test_the_fastest_shape_wins_where_it_is_clearly_faster() -> None:
    device = Device(
        {
            "light": {"a": 4.0, "b": 3.9, "c": 9.0},
            "heavy": {"a": 10.0, "b": 14.0, "c": 5.0},
            "nothing": {"a": 0.001, "b": 0.0001, "c": 0.1},
        },
        Clock(),
    )
    assert isinstance(device, Tunable)
    found, tuner = tuned(device)
    assert [(one.problem, one.default, one.best, one.tried) for one in found] == [
        ("heavy", "a", "c", 3),
        ("light", "a", "a", 3),  # 3 % faster is not clearly faster
    ]
    assert (found[0].default_ms, found[0].best_ms, found[0].gain) == (10.0, 5.0, 0.5)
    assert tuner.left == 0
    assert not any(problem == "nothing" and shape != "a" for problem, shape in device.compiled)
    # Finalists are timed in turns, the default among them, for 5 ms or more in a row.
    contests = [(shapes, repeats) for shapes, repeats in device.timed if set(shapes) == {"a", "c"}]
    assert contests and all(repeats >= 2 for _, repeats in contests)
    assert not any({"b", "c"} <= set(shapes) for shapes, _ in device.timed)  # b was hopeless after a first look


def test_what_the_compiler_refuses_is_told_and_not_taken() -> None:
    found, _ = tuned(Device({"p": {"a": 10.0, "c": 8.0}}, Clock()))
    assert (found[0].best, found[0].refused) == ("c", ("b",))
    assert found[0].found == Found("c", "a", 8.0, 10.0, ("b",))


def test_the_budget_bounds_compiling_and_timing() -> None:
    times = {f"p{number}": {"a": 10.0, "b": 5.0, "c": 7.0} for number in range(9)}
    device = Device(times, Clock())
    found, tuner = tuned(device, budget=5.0)
    assert 1 <= len(found) <= 3 and tuner.left >= 6
    assert tuner.seconds <= 5.0 + 1.0
    none, tuner = tuned(Device(times, Clock()), budget=0.0)
    assert not none and tuner.left == 9
    assert not tuned(Device(times, Clock()), known=list(times))[0]


def test_only_the_likeliest_shapes_are_tried() -> None:
    shapes = tuple("abcdefghij")
    device = Device({"p": dict.fromkeys(shapes, 1.0)}, Clock(), shapes)
    assert tuned(device)[0][0].tried == MOST_SHAPES
    assert {shape for _, shape in device.compiled} == set(shapes[:MOST_SHAPES])


def test_a_report_can_be_read() -> None:
    found = (Tuned("a product", 3, "one", "two", 10.0, 5.0, 4), Tuned("another", 1, "one", "one", 2.0, 2.0, 4))
    text = str(TuningReport("model.onnx", "a GPU", 1.25, found, 2).noted("and a note"))
    first, titles, row, same, total, note = text.splitlines()
    assert first == "model.onnx: 2 products timed on a GPU in 1.2 s, 2 not reached"
    assert titles.split()[:3] == ["product", "steps", "as"]
    assert row.split()[-5:] == ["one", "10.000", "two", "5.000", "50%"]
    assert "the same" in same
    assert total == "all of these: 12.00 ms as it is, 7.00 ms with the fastest" and note == "and a note"


def test_what_cannot_be_tuned_says_so() -> None:
    async def ask(executable: object) -> None:
        await tune("model.onnx", "", executable, 1.0, anew=False, progress=lambda done, total: None)

    with pytest.raises(BackendUnavailableError, match="only kernels on a GPU"):
        asyncio.run(ask(object()))
    with pytest.raises(BackendUnavailableError, match="nothing to time"):
        asyncio.run(ask(Device({}, Clock())))


def test_records_are_kept_by_adapter_and_survive_damage() -> None:
    store = MemoryPrograms()
    one, other = Tunings(store, {"adapter": ["a"]}), Tunings(store, {"adapter": ["b"]})
    first, second = Found("c", "a", 1.0, 2.0), Found("a", "a", 3.0, 3.0, ("b",))

    async def use() -> None:
        assert await one.read() == {} and not one.note
        await one.add({"p": first})
        await one.add({"q": second})
        await one.refuse([("p", "x"), ("r", "y")])
        known = await one.read()
        assert known["p"] == Found("c", "a", 1.0, 2.0, ("x",)) and known["q"] == second
        target = with_found(WEBGPU, known)
        assert target.choices == (("p", "c"), ("q", "a"))
        assert target.refused == {("p", "x"), ("q", "b"), ("r", "y")}
        await one.refuse([("q", "a")])  # what was fastest does not compile any more
        assert with_found(WEBGPU, await one.read()).choices == (("p", "c"),)
        await one.add({"p": Found("x", "a", 1.0, 2.0, ("z",)), "q": first})
        known = await one.read()
        assert known["p"].refused == ("z",) and known["q"].refused == ("a", "b"), (
            "what now compiles, and what never did"
        )
        assert await other.read() == {}
        (key,) = store.kept
        for damage in (b"", b"\xff", b"[1]", b"{}", b'{"problems": {"p": {"shape": 1}}}', b'{"problems": [2]}'):
            store.kept[key] = damage
            assert await one.read() == {} and "damaged" in one.note
        await one.add({"p": first})
        assert await one.read() == {"p": first} and not one.note
        await one.clear()
        assert await one.read() == {}

    asyncio.run(use())


def test_a_store_that_fails_stops_nothing() -> None:
    class Broken(MemoryPrograms):
        async def get(self, key: str) -> bytes | None:
            raise CacheError("denied")

        async def put(self, key: str, data: bytes) -> None:
            raise CacheError("full")

    tunings = Tunings(Broken(), {})
    assert asyncio.run(tunings.read()) == {} and "denied" in tunings.note
    asyncio.run(tunings.add({"p": Found("a", "a", 1.0, 1.0)}))
    assert "full" in tunings.note


def test_idle_work_begins_after_a_while_and_waits_for_runs() -> None:
    clock, pieces = Clock(), []

    async def work(gate: Gate) -> str:
        for _ in range(3):
            await gate()
            pieces.append(clock.now)
        return "done"

    async def use() -> None:
        idle = IdleWork(work, lambda: True, idle_seconds=3.0, clock=clock, sleep=clock.sleep)
        await asyncio.sleep(0)
        assert idle._task is None  # nothing before the first run
        with idle.in_use():
            clock.now = 10.0
        while len(pieces) < 1:
            await asyncio.sleep(0)
        assert pieces[0] >= 13.0
        with idle.in_use():
            clock.now = 20.0
            done = len(pieces)
            for _ in range(50):
                await asyncio.sleep(0)
            assert len(pieces) == done  # not while somebody runs the session
            clock.now = 30.0
        while not idle.note:
            await asyncio.sleep(0)
        assert all(at >= 33.0 for at in pieces[done:]) and idle.note == "done"

    asyncio.run(use())


def test_idle_work_stops_and_is_not_begun_where_it_is_not_wanted() -> None:
    clock, begun = Clock(), []

    async def work(gate: Gate) -> str:
        begun.append(1)
        await asyncio.Event().wait()
        return ""

    async def use() -> None:
        unwanted = IdleWork(work, lambda: False, clock=clock, sleep=clock.sleep)
        with unwanted.in_use():
            pass
        assert unwanted._task is None
        idle = IdleWork(work, lambda: True, clock=clock, sleep=clock.sleep)
        with idle.in_use():
            pass
        while not begun:
            await asyncio.sleep(0)
        idle.stop()
        assert idle._task is not None
        await asyncio.wait([idle._task])
        assert idle._task.cancelled()
        with idle.in_use():
            pass
        assert idle._task.cancelled()  # none is begun again

    asyncio.run(use())
    assert begun == [1]
