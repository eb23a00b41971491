"""How much of what rapidocr reads intab reads too: `.venv/bin/python scripts/accuracy.py [--pages N] [--backend B ...]`

Draws pages with known text, reads each with native rapidocr 3.10 and with intab's reader over the same models, and
writes the figures to docs/accuracy.md. It takes minutes. Run scripts/setup.py before.

    --pages N       how many random pages besides the fixed ones (default 60)
    --backend B     what intab's reader runs the models on: onnxruntime (its picture work alone), wasm, reference
    --print         do not write the file, only print
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "pyapp"), str(ROOT)]  # the tests' pages and their onnxruntime session

from intab.pipelines._session import ModelSession  # noqa: E402
from intab.pipelines.ocr import Line, Reader  # noqa: E402
from intab.runtime import load  # noqa: E402
from tests.pipelines.edits import edit_distance, joined  # noqa: E402
from tests.pipelines.native import NativeLines, read_natively  # noqa: E402
from tests.pipelines.onnx_session import OnnxSession  # noqa: E402
from tests.pipelines.pages import RenderedPage, render_pages  # noqa: E402
from tests.pipelines.random_pages import random_page  # noqa: E402

MODELS = ROOT / ".cache" / "models" / "ocr"
REPORT = ROOT / "docs" / "accuracy.md"
SAME_BOX = 0.8  # intersection over union from which two boxes are taken to be the same

HEAD = """# Accuracy of text recognition

How much of what native rapidocr 3.10 reads intab's reader reads too, with the same models and default settings
(angle classification off), on pages drawn with known text. Written by `scripts/accuracy.py`; run it again after a
change. *Picture work* is the reader over onnxruntime, which leaves only resizing, boxes, crops and decoding to differ;
the other rows add intab's own back ends.

Characters count by edit distance, without spaces. Boxes are matched one to one by intersection over union.
"""


@dataclass(frozen=True, slots=True)
class PageScore:
    """Counts of one page."""

    name: str
    characters: int  # of the truth
    native_characters: int
    native_errors: int  # against the truth
    errors: int
    differences: int  # between native and intab
    boxes: int
    least_overlap: float


def score(page: RenderedPage, native: NativeLines, lines: Sequence[Line]) -> PageScore:
    """Compare what both read."""
    truth, theirs, ours = (joined(texts) for texts in (page.truth_lines, native.texts, [line.text for line in lines]))
    return PageScore(
        page.name,
        len(truth),
        len(theirs),
        edit_distance(theirs, truth),
        edit_distance(ours, truth),
        edit_distance(ours, theirs),
        len(native.boxes),
        least_overlap(native.boxes, [line.box for line in lines]),
    )


def least_overlap(theirs: NDArray[np.float32], ours: Sequence[NDArray[np.float32]]) -> float:
    """Of each of their boxes the best overlap with one of ours; the least of these. 0 when the counts differ."""
    if len(theirs) != len(ours):
        return 0.0
    shapes = [Polygon(box) for box in ours]
    best = [max(_overlap(Polygon(box), shape) for shape in shapes) for box in theirs]
    return min(best, default=1.0)


def _overlap(one: Polygon, other: Polygon) -> float:
    return float(one.intersection(other).area / max(one.union(other).area, 1e-9))


async def open_reader(backend: str) -> Reader:
    paths = [MODELS / "det.onnx", MODELS / "rec.onnx"]
    if backend == "onnxruntime":
        return Reader(*(OnnxSession(path) for path in paths))
    sessions: list[ModelSession] = [await load(path, backend=backend) for path in paths]
    return Reader(*sessions)


async def compare(backend: str, pages: Sequence[RenderedPage], natives: Sequence[NativeLines]) -> list[PageScore]:
    """Read every page on one back end."""
    scores = []
    async with await open_reader(backend) as reader:
        for number, (page, native) in enumerate(zip(pages, natives, strict=True), start=1):
            scores.append(score(page, native, await reader(page.picture)))
            print(f"\r  {backend}: {number} of {len(pages)}", end="", flush=True)
    print()
    return scores


def row(backend: str, scores: Sequence[PageScore]) -> str:
    """One line of the table."""
    characters, theirs = sum(s.characters for s in scores), sum(s.native_characters for s in scores)
    worst = max(s.differences / max(s.native_characters, 1) for s in scores)
    name = "onnxruntime (picture work alone)" if backend == "onnxruntime" else backend
    cells = [
        name,
        f"{len(scores)}",
        f"{100 * (1 - sum(s.differences for s in scores) / max(theirs, 1)):.3f} %",
        f"{100 * (1 - worst):.2f} %",
        f"{sum(s.differences == 0 for s in scores)}",
        f"{100 * (1 - sum(s.native_errors for s in scores) / characters):.2f} %",
        f"{100 * (1 - sum(s.errors for s in scores) / characters):.2f} %",
        f"{sum(s.boxes for s in scores)}",
        f"{min(s.least_overlap for s in scores):.3f}",
        f"{sum(s.least_overlap < SAME_BOX for s in scores)}",
    ]
    return f"| {' | '.join(cells)} |"


TABLE = (
    "| models run on | pages | same characters | worst page | pages alike | truth, native | truth, intab | boxes "
    f"| least IoU | pages with a box below {SAME_BOX} |\n|---|---|---|---|---|---|---|---|---|---|"
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=60, metavar="N")
    parser.add_argument("--backend", nargs="+", default=["onnxruntime"], metavar="B")
    parser.add_argument("--print", action="store_true")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    pages = render_pages() + [random_page(seed) for seed in range(options.pages)]
    natives = [read_natively(page.picture) for page in pages]
    results = {backend: asyncio.run(compare(backend, pages, natives)) for backend in options.backend}
    for backend, scores in results.items():
        for one in scores:
            if one.differences or one.least_overlap < 1.0:
                print(f"  {backend}: {one.name}: {one.differences} characters, least IoU {one.least_overlap:.3f}")
    table = "\n".join([TABLE, *(row(backend, scores) for backend, scores in results.items())])
    print(table, f"\n{time.perf_counter() - began:.0f} s")
    if not options.print:
        REPORT.write_text(f"{HEAD}\n{table}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
