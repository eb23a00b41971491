"""Side by side: intab and onnxruntime-web in two workers of one page, given the same tensors in turn."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from selenium.webdriver import Chrome

from benchmark.tensors import JOB_MODELS, Case, native_answer
from intab.cli.chromium import chromium
from intab.cli.serve import serving
from intab.errors import IntabError

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path(__file__).parent / "page"
PEER = ROOT / "node_modules" / "onnxruntime-web" / "dist"
WARM_UP_RUNS = 3  # after the first: V8 swaps in its optimised code between calls
ANSWER_SECONDS = 600
INPUT = "x"  # of all three models
CALL = """
const [method, args, done] = arguments;
window.bench[method](...args).then((value) => done({ value }), (error) => done({ error: String(error) }));
"""
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """Times of one case in milliseconds, round by round; `theirs_ms` is empty without a peer.

    agreement: how far outputs are from each other, "ours_native", "ours_theirs" and "theirs_native".
    """

    case: Case
    first_ms: Mapping[str, float]
    ours_ms: tuple[float, ...]
    theirs_ms: tuple[float, ...]
    agreement: Mapping[str, float]

    @property
    def ratios(self) -> tuple[float, ...]:
        """Theirs over ours, round by round: more than 1 means that intab is quicker."""
        return tuple(b / a for a, b in zip(self.ours_ms, self.theirs_ms, strict=bool(self.theirs_ms)))

    @property
    def ratio(self) -> float:
        return median(self.ratios)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that one browser told."""

    versions: Mapping[str, str]
    loads: Mapping[str, Mapping[str, Any]]
    results: tuple[Measured, ...]
    their_memory_nbytes: int

    @property
    def job(self) -> Measured | None:
        """The main job's model runs added up, round by round; None when not both models were measured."""
        parts = [one for one in self.results if one.case.job]
        if {one.case.model for one in parts} != JOB_MODELS:
            return None
        ours = tuple(map(sum, zip(*(one.ours_ms for one in parts), strict=True)))
        theirs = tuple(map(sum, zip(*(one.theirs_ms for one in parts), strict=True)))  # none without a peer
        return Measured(parts[0].case, {}, ours, theirs, {})


class Page:
    """The bench page, asked through a driver."""

    def __init__(self, driver: Chrome, address: str) -> None:
        self._driver = driver
        driver.set_script_timeout(ANSWER_SECONDS)
        driver.get(f"{address}-/bench/index.html")

    def ask(self, side: str, method: str, *args: object) -> Any:
        return self.call("ask", side, method, *args)

    def call(self, method: str, *args: object) -> Any:
        outcome = self._driver.execute_async_script(CALL, method, list(args))
        if "error" in outcome:
            raise IntabError(f"bench page: {outcome['error']}")
        return outcome["value"]


def compare(
    site: Path, models: Mapping[str, Path], cases: Sequence[Case], *, rounds: int, peers: bool, say: Say
) -> Comparison:
    """Measure every case: ours, theirs, ours, theirs, with nothing else going on in the browser."""
    sides = {"ours": "./ours.js"} | ({"theirs": "./theirs.js"} if peers else {})
    natives: list[Mapping[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases):
            (Path(folder) / f"{number}.bin").write_bytes(case.feed.tobytes())
            output, expected = native_answer(models[case.model], case.feed)
            (Path(folder) / f"{number}.native.bin").write_bytes(expected.tobytes())
            natives.append({"name": output, "shape": expected.shape, "url": f"../tensors/{number}.native.bin"})
        mounts = {"bench": PAGE, "tensors": Path(folder), "peer": PEER} | {
            f"{name}.onnx": path for name, path in models.items()
        }
        mounts["agreement.py"] = ROOT / "tests" / "agreement.py"
        with serving(site, mounts=mounts) as address, chromium() as driver:
            page = Page(driver, address)
            versions: dict[str, str] = {"chromium": driver.capabilities["browserVersion"]}
            for side, script in sides.items():
                versions |= page.call("open", side, script)
            names = list(dict.fromkeys(case.model for case in cases))
            loads = {name: {side: page.ask(side, "load", name, f"../{name}.onnx") for side in sides} for name in names}
            results = []
            for number, case in enumerate(cases):
                results.append(_measure(page, sides, number, case, natives[number], rounds))
                say(f"{case.model} {case.title}: {median(results[-1].ours_ms):.1f} ms")
            for name in names:
                loads[name]["ours"] |= page.ask("ours", "stats", name)  # the peak is known only now
            memory = page.ask("theirs", "stats")["memory_nbytes"] if peers else 0
    return Comparison(versions, loads, tuple(results), memory)


def _measure(
    page: Page, sides: Mapping[str, str], number: int, case: Case, native: Mapping[str, Any], rounds: int
) -> Measured:
    feed = {"name": INPUT, "shape": list(case.feed.shape), "url": f"../tensors/{number}.bin"}
    for side in sides:
        page.ask(side, "feed", case.model, feed)
    first = {side: page.ask(side, "run", case.model) for side in sides}
    for _ in range(WARM_UP_RUNS):
        for side in sides:
            page.ask(side, "run", case.model)
    times: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            times[side].append(page.ask(side, "run", case.model))
    agreement = page.call("compare", case.model, native)
    return Measured(case, first, tuple(times["ours"]), tuple(times.get("theirs", ())), agreement)
