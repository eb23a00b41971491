"""Measuring WebGPU: the adapter's own peak, products, and models beside onnxruntime-web's, all in one browser."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from benchmark.cases import Case, floats, square_case, values_of, write_model
from benchmark.measure import Timed, ratio
from benchmark.sides import OURS_GPU, THEIRS_GPU, Page, Say, Side, Stand
from intab.errors import IntabError
from tests.agreement import agreement

WINDOWS = {"convolution_56": (56, 64), "convolution_28": (28, 128)}
"""3 x 3 convolutions: pixels a side, and channels in and out."""
PRODUCTS = ("matmul1024", "matmul256", *WINDOWS)
# A software adapter takes seconds for a run of a peer's: one round at least, and no further one beyond this.
PEER_SECONDS = 45.0
OUR_RUNS_A_ROUND = 3
WARM_UP_RUNS = {OURS_GPU: 2, THEIRS_GPU: 1}
LONGEST_REASON = 400


def window_models(folder: Path) -> dict[str, Path]:
    """Models of one convolution each, 3 x 3 with a border, its weights in the file."""
    made = {}
    for name, (size, channels) in WINDOWS.items():
        values = values_of([(end, TensorProto.FLOAT, [1, channels, size, size]) for end in "xy"])
        node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        weights = {"w": floats(channels, channels, 3, 3, scale=0.05)}
        made[name] = write_model(folder / f"{name}.onnx", [node], values, weights)
    return made


def product_case(name: str) -> Case:
    """What one of PRODUCTS is fed."""
    if name not in WINDOWS:
        return square_case(int(name.removeprefix("matmul")))
    size, channels = WINDOWS[name]
    return Case(name, "3x3", {"x": floats(1, channels, size, size)})


@dataclass(frozen=True, slots=True)
class Adapter:
    """What the browser computes on."""

    name: str
    software: bool
    features: tuple[str, ...]
    subgroup_sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class GpuCase:
    """One case on WebGPU. All sequences are round by round.

    ours, theirs: milliseconds of whole runs, feeds and outputs copied; None for who refused. peaks: GFLOP/s of the
    adapter's plain loop, taken just before, and unrolled_peaks those of an unrolled one. device_ms: our steps by the
    device's clock. work: flops and bytes that our steps ask for. counts: what a run of each side asks of WebGPU
    (page/gpu_counts.js). crossings: calls into JavaScript of one run of ours. refused: by side, why there is no time.
    parts: where ours runs, when WebGPU does not run it whole. ready_ms: by side, load, compile and first run together.
    """

    case: Case
    ours: Timed | None
    theirs: Timed | None
    peaks: tuple[float, ...]
    unrolled_peaks: tuple[float, ...]
    device_ms: tuple[float, ...]
    encode_ms: tuple[float, ...]
    work: Mapping[str, float]
    counts: Mapping[str, Mapping[str, float]]
    crossings: Mapping[str, int]
    refused: Mapping[str, str]
    parts: tuple[str, ...] = ()
    ready_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def gain(self) -> float | None:
        """How many times as long theirs takes, pair by pair."""
        return ratio(self.theirs, self.ours) if self.ours and self.theirs else None

    @property
    def best_peak(self) -> float:
        return max(self.peaks, default=0.0)

    @property
    def best_share(self) -> float | None:
        """Part of the best peak, by the device's clock, at best."""
        return self.work["flops"] / min(self.device_ms) / 1e6 / self.best_peak if self.device_ms else None

    @property
    def device_share(self) -> float | None:
        """Part of the peak of the same round, by the device's clock: the median over the rounds."""
        return _share(self.work, self.device_ms, self.peaks)

    @property
    def run_share(self) -> float | None:
        """The same by whole runs on the wall's clock."""
        return _share(self.work, self.ours.ms, self.peaks) if self.ours else None


def _share(work: Mapping[str, float], ms: Sequence[float], peaks: Sequence[float]) -> float | None:
    if not work or not ms:
        return None
    return median(work["flops"] / one / 1e6 / peak for one, peak in zip(ms, peaks, strict=True))


@dataclass(slots=True)
class GpuMeasured:
    """All that was measured on WebGPU."""

    adapter: Adapter | None = None
    products: list[GpuCase] = field(default_factory=list)
    models: list[GpuCase] = field(default_factory=list)

    @property
    def peak(self) -> float:
        """The adapter's best, GFLOP/s."""
        return max((one.best_peak for one in (*self.products, *self.models)), default=0.0)

    @property
    def unrolled_peak(self) -> float:
        return max((max(one.unrolled_peaks, default=0.0) for one in (*self.products, *self.models)), default=0.0)

    def put(self, cases: Sequence[GpuCase]) -> None:
        """Take models in, each in the place of what there was of it."""
        self.models = [*(one for one in self.models if one.case.model not in [c.case.model for c in cases]), *cases]


def earlier_figures(data: Mapping[str, Any], known: Mapping[str, Case]) -> GpuMeasured:
    """The part webgpu of an earlier run's JSON. `known` have the tensors of cases, which are the same every time."""
    adapter = data["adapter"]
    return GpuMeasured(
        Adapter(**_with_tuples(adapter)) if adapter else None,
        [_kept_case(one, known[one["case"]["model"]]) for one in data["products"]],
        [_kept_case(one, known[one["case"]["model"]]) for one in data["models"]],
    )


def _kept_case(one: Mapping[str, Any], case: Case) -> GpuCase:
    def timed(lane: Mapping[str, Any] | None) -> Timed | None:
        return Timed(lane["side"], case, tuple(lane["ms"]), lane["far"]) if lane else None

    rest = {name: value for name, value in one.items() if name not in ("case", "ours", "theirs")}
    return GpuCase(case, timed(one["ours"]), timed(one["theirs"]), **_with_tuples(rest))


def _with_tuples(data: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists where these have tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}


def adapter_of(page: Page) -> Adapter:
    said = page.ask(OURS_GPU, "adapter")
    return Adapter(said["name"], said["software"], tuple(said["features"]), tuple(said["subgroup_sizes"]))


def measure_case(page: Page, case: Case, sides: Sequence[Side], *, rounds: int, say: Say) -> GpuCase:
    """Load and run one case on the sides in turn, and compare what they say with native onnxruntime."""
    taking = _Taking(page, case, say)
    for side in sides:
        taking.begin(side)
    taking.take_rounds(rounds)
    found = taking.found(page.native(case))
    for line in _lines(found):
        say(f"  {line}")
    return found


class _Taking:
    """One case while it is measured. A side that fails is left out from there on, and its words kept."""

    def __init__(self, page: Page, case: Case, say: Say) -> None:
        self._page = page
        self._case = case
        self._say = say
        self._ready: list[Side] = []
        self._refused: dict[str, str] = {}
        self._ms: dict[Side, list[float]] = {}
        self._counts: dict[str, Mapping[str, float]] = {}
        self._peaks: list[Mapping[str, float]] = []
        self._device_ms: list[float] = []
        self._encode_ms: list[float] = []
        self._ready_ms: dict[str, float] = {}

    def begin(self, side: Side) -> None:
        """Load the model and warm up."""
        try:
            loaded = self._page.load(side, self._case.model)
            self._page.feed(side, self._case)
            took_ms = [self._page.ask(side, "run", self._case.model) for _ in range(WARM_UP_RUNS[side])]
        except IntabError as error:
            self._refuse(side, error)
            return
        self._say(f"  {self._case.title}, {side.title}: ready, a run takes {took_ms[-1]:.0f} ms")
        self._ready_ms[side.title] = loaded["load_ms"] + loaded.get("compile_ms", 0.0) + took_ms[0]
        self._ready.append(side)
        self._ms[side] = []

    def take_rounds(self, rounds: int) -> None:
        """Each round: the peak, some runs of ours with the time on the device, a run of theirs."""
        spent_ms = 0.0
        for number in range(rounds if self._ready else 0):
            if number and spent_ms + spent_ms / number > PEER_SECONDS * 1e3:
                return
            self._peaks.append(self._page.ask(OURS_GPU, "gpuPeak"))
            for side in tuple(self._ready):
                try:
                    spent_ms += self._take_round(side)
                except IntabError as error:
                    self._refuse(side, error)

    def _take_round(self, side: Side) -> float:
        """Milliseconds that the peer has taken."""
        runs = [self._run(side) for _ in range(OUR_RUNS_A_ROUND if side == OURS_GPU else 1)]
        if side == OURS_GPU:
            device_ms = self._page.ask(side, "deviceMs", self._case.model)
            self._encode_ms.append(median(run["encodeMs"] for run in runs))
            self._device_ms.append(device_ms)
        self._ms[side].append(median(run["ms"] for run in runs))
        self._counts[side.title] = runs[-1]
        return 0.0 if side == OURS_GPU else self._ms[side][-1]

    def _run(self, side: Side) -> dict[str, float]:
        counted: dict[str, float] = self._page.ask(side, "counted", self._case.model)
        return counted

    def _refuse(self, side: Side, error: IntabError) -> None:
        words = " ".join(str(error).removeprefix("bench page: ").split())
        self._refused[side.title] = words if len(words) <= LONGEST_REASON else f"{words[:LONGEST_REASON]} ..."
        self._say(f"  {self._case.title}, {side.title}: {self._refused[side.title]}")
        if side in self._ready:
            self._ready.remove(side)

    def found(self, native: Mapping[str, Any]) -> GpuCase:
        timed = {side: self._timed(side, native) for side in self._ready}
        ours = OURS_GPU in timed
        return GpuCase(
            self._case,
            timed.get(OURS_GPU),
            timed.get(THEIRS_GPU),
            tuple(peak["loop"] for peak in self._peaks),
            tuple(peak["unrolled"] for peak in self._peaks),
            tuple(self._device_ms) if ours else (),
            tuple(self._encode_ms) if ours else (),
            self._page.ask(OURS_GPU, "work", self._case.model) if ours else {},
            self._counts,
            self._page.ask(OURS_GPU, "crossings", self._case.model) if ours else {},
            self._refused,
            tuple(self._page.ask(OURS_GPU, "parts", self._case.model)) if ours else (),
            self._ready_ms,
        )

    def _timed(self, side: Side, native: Mapping[str, Any]) -> Timed:
        outputs = self._page.outputs(side, self._case.model)
        far = max(agreement(np.asarray(found), native[name]) for name, found in outputs.items())
        return Timed(side.title, self._case, tuple(self._ms[side]), far)


def _lines(found: GpuCase) -> list[str]:
    lines = []
    for one in (found.ours, found.theirs):
        if one is not None:
            lines.append(
                f"{one.case.title}, {one.side}: {one.median_ms:.2f} ms over {len(one.ms)}, {one.far:.0e} from native"
            )
    return lines


Versions = dict[str, str]


def measure_products(stand: Stand, *, rounds: int, say: Say) -> tuple[Adapter, list[GpuCase], Versions]:
    """The products, in one page."""
    with stand.page() as page:
        adapter = adapter_of(page)
        say(f"  {adapter.name}{', in software' if adapter.software else ''}")
        found = [measure_case(page, product_case(name), [OURS_GPU], rounds=rounds, say=say) for name in PRODUCTS]
        return adapter, found, page.versions


def measure_model(
    stand: Stand, case: Case, sides: Sequence[Side], *, rounds: int, say: Say
) -> tuple[GpuCase, Versions]:
    """A model, in a page of its own: what one loses or leaves behind does not meet the next."""
    with stand.page() as page:
        return measure_case(page, case, sides, rounds=rounds, say=say), page.versions
