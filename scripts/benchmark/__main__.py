"""The measuring itself, in the environment that the set-up made: `python -m benchmark`; scripts/bench.py calls it."""

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmark import cases, integers, report, webgpu, webgpu_report
from benchmark.job import visits
from benchmark.machine import describe, load_average
from benchmark.measure import Fresh, Group, Lane, core, fresh, take_turns
from benchmark.report import Measured
from benchmark.sides import OURS, OURS_GPU, OURS_TWO, THEIRS, THEIRS_GPU, THEIRS_TWO, Say, Side, Stand, stand
from benchmark.tables import PRODUCT_PEERS
from benchmark.webgpu_plans import plans
from intab.cli.checkout import built_site, checkout
from intab.errors import IntabError

DOCUMENT = checkout() / "docs" / "performance.md"
WEBGPU_DOCUMENT = checkout() / "docs" / "performance-webgpu.md"
FRESH_VISITS = {"det": 5}  # of other models one
"""How often a fresh browser loads a model."""


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench.py", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="beside the peers, on the same tensors in turn")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=["core", "models"], metavar="PART", help=", ".join(PARTS)
    )
    parser.add_argument(
        "--models", nargs="+", choices=cases.MODELS, default=list(cases.MODELS), metavar="MODEL",
        help=f"of the parts models, fresh, webgpu and plans: {', '.join(cases.MODELS)}",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="timed runs of each case (default 9)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument(
        "--from", nargs="+", type=Path, default=[], dest="earlier", metavar="FILE",
        help="of the part webgpu: take what is not measured now from the JSON of earlier runs",
    )  # fmt: skip
    parser.add_argument("--write", action="store_true", help="measure all with peers, and write the page in docs/")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds is 1 or more")
    missing = [str(file) for file in options.earlier if not file.is_file()]
    if missing:
        parser.error(f"--from: there is no file {', '.join(missing)}")
    if options.write:
        options.peers = True
        if set(GPU_PARTS) & set(options.parts):
            options.parts = options.parts if options.earlier else list(GPU_PARTS)
        else:
            options.parts, options.models = [one for one in PARTS if one not in GPU_PARTS], list(cases.MODELS)
    return options


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def page_picture() -> Path:
    """scikit-image's page.png, the picture of the main job."""
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise IntabError("scikit-image, which has the picture, is missing: run python3 scripts/setup.py")
    return Path(found.origin).parent / "data" / "page.png"


class Bench:
    """The parts that can be measured, over one server."""

    def __init__(self, place: Stand, options: argparse.Namespace, measured: Measured, say: Say) -> None:
        self._stand = place
        self._options = options
        self._measured = measured
        self._say = say

    def _sides(self, *sides: Side) -> list[Side]:
        """Those that are wanted: intab alone, or all."""
        return [side for side in sides if self._options.peers or side in (OURS, OURS_TWO, OURS_GPU)]

    def _take_turns(self, groups: Sequence[Sequence[Lane]]) -> list[Group]:
        with self._stand.page() as page:
            found = [take_turns(page, lanes, rounds=self._options.rounds, say=self._say) for lanes in groups]
            self._measured.versions |= page.versions
        return found

    def core(self) -> None:
        with self._stand.page() as page:
            self._measured.core = core(page)

    def models(self) -> None:
        sides = self._sides(OURS, THEIRS, OURS_TWO, THEIRS_TWO)
        measured = map(cases.model_case, self._options.models)
        self._measured.models = self._take_turns([[(side, case) for side in sides] for case in measured])

    def job(self) -> None:
        sides = self._sides(OURS, THEIRS)
        measured = cases.job_cases(page_picture())
        self._measured.job = self._take_turns([[(side, case) for side in sides] for case in measured])

    def products(self) -> None:
        sides = self._sides(OURS, *PRODUCT_PEERS)
        measured = map(cases.square_case, cases.SQUARES)
        self._measured.products = self._take_turns([[(side, case) for side in sides] for case in measured])

    def integers(self) -> None:
        groups = []
        for measured in (integers.integer_cases() | integers.quantized_cases()).values():
            lanes = [(side, case) for case in measured for side in self._sides(OURS, THEIRS)]
            groups.append([lane for lane in lanes if lane != (THEIRS, measured[0])])
        self._measured.integers = self._take_turns(groups)

    def fresh(self) -> None:
        for model in self._options.models:
            case, sides = cases.model_case(model), self._sides(OURS, THEIRS)
            visited: dict[str, list[Fresh]] = {side.title: [] for side in sides}
            for _ in range(FRESH_VISITS.get(model, 1)):
                for side in sides:
                    visited[side.title].append(fresh(self._stand, side, case))
            self._measured.fresh[model] = visited
            first = visited[OURS.title][0]
            self._say(f"  {model}: {first.ready_ms:.0f} ms, {first.session_nbytes / 1e6:.1f} MB")

    def start(self) -> None:
        self._measured.visits = visits(built_site(), page_picture(), self._say)

    def webgpu(self) -> None:
        found, rounds = self._measured.webgpu, self._options.rounds
        found.adapter, found.products, versions = webgpu.measure_products(self._stand, rounds=rounds, say=self._say)
        self._measured.versions |= versions
        for case in map(cases.model_case, self._options.models):
            sides = self._sides(OURS_GPU, THEIRS_GPU)
            one, versions = webgpu.measure_model(self._stand, case, sides, rounds=rounds, say=self._say)
            found.put([one])
            self._measured.versions |= versions

    def plans(self) -> None:
        found = [one.case.model for one in self._measured.webgpu.models]
        models = [model for model in cases.MODELS if model in (found or self._options.models)]
        self._measured.plans = plans(
            {model: (self._stand.folder.model(model), cases.MODELS[model].feeds()) for model in models}
        )


def take_earlier(files: Sequence[Path], measured: Measured) -> None:
    """What earlier runs measured on WebGPU; of what several have the last one's."""
    known = {model: cases.model_case(model) for model in cases.MODELS}
    known |= {name: webgpu.product_case(name) for name in webgpu.PRODUCTS}
    for file in files:
        said = json.loads(file.read_text())
        found = webgpu.earlier_figures(said["webgpu"], known)
        measured.webgpu.adapter = found.adapter or measured.webgpu.adapter
        measured.webgpu.products = found.products or measured.webgpu.products
        measured.webgpu.put(found.models)
        measured.versions |= said["versions"]
        measured.versions[f"measured at {said['machine']['date']}"] = ", ".join(one.case.model for one in found.models)


PARTS: dict[str, Callable[[Bench], None]] = {
    "core": Bench.core,
    "models": Bench.models,
    "job": Bench.job,
    "products": Bench.products,
    "integers": Bench.integers,
    "fresh": Bench.fresh,
    "start": Bench.start,
    "webgpu": Bench.webgpu,
    "plans": Bench.plans,
}
GPU_PARTS = ("webgpu", "plans")
"""What docs/performance-webgpu.md is made of; docs/performance.md has all others."""


def measure(options: argparse.Namespace) -> Measured:
    """Measure the parts that are asked for. Raises an IntabError when something cannot be had."""
    measured = Measured()
    take_earlier(options.earlier, measured)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        say("making the models ready")
        models = {"tiny": cases.tiny_model(folder)}
        models |= {f"matmul{size}": cases.square_model(size, folder) for size in cases.SQUARES}
        models |= {model: one.written(model, folder) for model, one in cases.MODELS.items()}
        if "integers" in options.parts:
            models |= integers.integer_models(folder) | integers.quantized_models()
        if "webgpu" in options.parts:
            models |= webgpu.window_models(folder)
        with stand(built_site(), models) as place:
            bench = Bench(place, options, measured, say)
            for part in options.parts:
                say(f"measuring: {part}")
                PARTS[part](bench)
    order = list(cases.MODELS)
    measured.webgpu.models.sort(key=lambda one: order.index(one.case.model))
    return measured


def main(arguments: Sequence[str] | None = None) -> int:
    options = options_of(arguments)
    machine = describe()
    try:
        measured = measure(options)
    except IntabError as error:
        say(f"error: {error}")
        return 1
    machine["load average after (the measuring itself makes about 1)"] = load_average()
    print("\n".join([*report.lines_of(measured), *report.verdict_lines(measured)]))
    if options.json:
        options.json.write_text(json.dumps(report.as_json(machine, measured), indent=1) + "\n")
    if options.write and set(GPU_PARTS) & set(options.parts):
        facts = {**machine, **measured.versions}
        WEBGPU_DOCUMENT.write_text(webgpu_report.document(facts, measured.webgpu, measured.plans))
    elif options.write:
        DOCUMENT.write_text(report.document(machine, measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
