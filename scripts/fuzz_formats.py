"""Damage model files and read them: `.venv/bin/python scripts/fuzz_formats.py [--seconds 600] [--seed 0]`

Reading must end in an IntabError or in a graph that verifies, soon, and in no more memory than twice the file and a
little. Anything else is a bug: the file that shows it is kept in build/fuzz/, and the exit code is 1. Damaged are the
three OCR models (bits flipped, mostly in structure; cut) and every ONNX node test that intab can read (bytes changed,
removed and doubled; numbers of attributes, shapes and small weights replaced by extreme ones).
"""

import argparse
import random
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "pyapp"), str(ROOT)]

from intab.errors import IntabError  # noqa: E402
from intab.formats import read  # noqa: E402
from intab.graph.storage import MemoryStorage  # noqa: E402
from tests.formats.damage import HANG_S, read_damaged, structural_places  # noqa: E402

MODELS = ROOT / ".cache" / "models" / "ocr"
KEPT = ROOT / "build" / "fuzz"
REPORT_S = 10.0
WATCH_EVERY = 20
VERIFY_EVERY = 4

INTEGERS = (0, 1, -1, 2, -2, 3, 7, 16, 63, 64, 255, 2**31 - 1, -(2**31), 2**40, -(2**40), 2**62, 2**63 - 1, -(2**63))
FLOATS = (0.0, -0.0, 0.5, -1.0, 1e-30, 1e30, 3.4e38, float("inf"), float("-inf"), float("nan"))
TEXTS = (b"", b"\xff", b"linear", b"nearest", b"SAME_UPPER", b"VALID", b"x" * 5000)
OPSETS = (1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 17, 18, 19, 20, 21, 23, 28)

Damage = Callable[[random.Random], bytes]


@dataclass(slots=True)
class Tally:
    """What came of the files so far."""

    kinds: Counter[str] = field(default_factory=Counter)
    bugs: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest: str = ""

    def line(self, seconds: float) -> str:
        count = sum(self.kinds.values()) + sum(self.bugs.values())
        kinds = ", ".join(f"{kind} {number}" for kind, number in self.kinds.most_common())
        return (
            f"{seconds:6.0f} s  {count} files ({count / max(seconds, 1):.0f}/s): {kinds}; "
            f"slowest {self.slowest_s * 1e3:.0f} ms ({self.slowest}); bugs {sum(self.bugs.values())}"
        )


def flips_of(data: bytes) -> Damage:
    """Bits of some bytes flipped, nine of ten in structure; or the end cut off."""
    structural = structural_places(data)

    def damage(rng: random.Random) -> bytes:
        if rng.random() < 0.05:
            return data[: rng.randrange(len(data))]
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 5))):
            place = int(rng.choice(structural)) if rng.random() < 0.9 else rng.randrange(len(data))
            changed[place] ^= rng.choice((1 << rng.randrange(8), rng.randrange(1, 256)))
        return bytes(changed)

    return damage


def edits_of(data: bytes) -> Damage:
    """Bytes overwritten, removed, or copied elsewhere."""

    def damage(rng: random.Random) -> bytes:
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 3))):
            place, other = rng.randrange(len(changed)), rng.randrange(len(changed))
            kind = rng.randrange(4)
            if kind == 0:
                changed[place] ^= 1 << rng.randrange(8)
            elif kind == 1:
                changed[place] = rng.choice((0, 1, 2, 0x7F, 0x80, 0xFF))
            elif kind == 2 and len(changed) > 16:
                del changed[place : place + rng.randrange(1, 9)]
            else:
                changed[place:place] = changed[other : other + rng.randrange(1, 30)]
        return bytes(changed)

    return damage


def extremes_of(data: bytes) -> Damage:
    """Numbers that mean something replaced by extreme ones; the file stays well formed."""

    def damage(rng: random.Random) -> bytes:
        model = onnx.ModelProto.FromString(data)
        for _ in range(rng.choice((1, 1, 2, 4))):
            rng.choice((change_attribute, change_input, change_weight, change_names, change_opset))(model, rng)
        changed: bytes = model.SerializeToString()
        return changed

    return damage


def change_attribute(model: onnx.ModelProto, rng: random.Random) -> None:
    attributes = [attribute for node in model.graph.node for attribute in node.attribute]
    if not attributes:
        return
    chosen = rng.choice(attributes)
    if chosen.type == onnx.AttributeProto.INT:
        chosen.i = rng.choice(INTEGERS)
    elif chosen.type == onnx.AttributeProto.FLOAT:
        chosen.f = rng.choice(FLOATS)
    elif chosen.type == onnx.AttributeProto.STRING:
        chosen.s = rng.choice(TEXTS)
    elif chosen.type == onnx.AttributeProto.INTS and chosen.ints:
        chosen.ints[rng.randrange(len(chosen.ints))] = rng.choice(INTEGERS)
        if rng.random() < 0.2:
            chosen.ints.append(rng.choice(INTEGERS))
    elif chosen.type == onnx.AttributeProto.FLOATS and chosen.floats:
        chosen.floats[rng.randrange(len(chosen.floats))] = rng.choice(FLOATS)


def change_input(model: onnx.ModelProto, rng: random.Random) -> None:
    shapes = [value.type.tensor_type.shape.dim for value in model.graph.input]
    dims = [dim for shape in shapes for dim in shape]
    if not dims:
        return
    chosen = rng.choice(dims)
    if rng.random() < 0.5:
        chosen.dim_value = rng.choice(INTEGERS)
    else:
        chosen.dim_param = rng.choice(("N", "M", "a b", "", "?", "`"))
    if rng.random() < 0.1:
        rng.choice(shapes).append(chosen)


def change_weight(model: onnx.ModelProto, rng: random.Random) -> None:
    if not model.graph.initializer:
        return
    chosen = rng.choice(model.graph.initializer)
    number = {
        onnx.TensorProto.INT64: lambda: np.int64(rng.choice(INTEGERS)).tobytes(),
        onnx.TensorProto.FLOAT: lambda: np.float32(rng.choice(FLOATS)).tobytes(),
    }.get(chosen.data_type)
    if number is not None and len(chosen.raw_data) >= 8 and rng.random() < 0.7:
        new = number()
        place = len(new) * rng.randrange(len(chosen.raw_data) // len(new))
        chosen.raw_data = chosen.raw_data[:place] + new + chosen.raw_data[place + len(new) :]
    elif chosen.dims and rng.random() < 0.8:
        chosen.dims[rng.randrange(len(chosen.dims))] = rng.choice(INTEGERS)
    else:
        chosen.data_type = rng.randrange(30)


def change_names(model: onnx.ModelProto, rng: random.Random) -> None:
    nodes = model.graph.node
    if not nodes:
        return
    names = ["", *(name for node in nodes for name in (*node.input, *node.output))]
    chosen = rng.choice(nodes)
    if chosen.input and rng.random() < 0.7:
        chosen.input[rng.randrange(len(chosen.input))] = rng.choice(names)
    else:
        rng.choice((chosen.input, chosen.output)).append(rng.choice(names))


def change_opset(model: onnx.ModelProto, rng: random.Random) -> None:
    if model.opset_import:
        rng.choice(model.opset_import).version = rng.choice(OPSETS)


def node_models() -> Iterator[tuple[str, bytes]]:
    """The ONNX node tests that intab reads, their inputs but the first made constants where that is possible."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    for case in cases:
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        names = [value.name for value in model.graph.input]
        for name, array in list(zip(names, case.data_sets[0][0] if case.data_sets else (), strict=False))[1:]:
            if isinstance(array, np.ndarray) and array.dtype != object:
                model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        data = model.SerializeToString()
        try:
            read(MemoryStorage(case.name, data))
        except IntabError:
            continue
        yield case.name, data


def sources() -> list[tuple[str, Damage]]:
    """Names and ways to damage. The OCR models come first and are large, so they are chosen more often."""
    found: list[tuple[str, Damage]] = []
    for path in sorted(MODELS.glob("*.onnx")):
        found.append((path.stem, flips_of(path.read_bytes())))
    assert found, f"no model in {MODELS}: run python3 scripts/setup.py"
    print("collecting the ONNX node tests ...", flush=True)
    for name, data in node_models():
        found += [(f"{name} (bytes)", edits_of(data)), (f"{name} (numbers)", extremes_of(data))]
    print(f"{len(found)} sources", flush=True)
    return found


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block when it takes longer."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"still reading after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def try_one(tally: Tally, index: int, name: str, data: bytes) -> None:
    watch = index % WATCH_EVERY == 0
    try:
        with alarm(HANG_S):
            outcome = read_damaged(data, watch_memory=watch, verified=index % VERIFY_EVERY == 0)
    except Exception as error:  # noqa: BLE001  (whatever it is, it is what this script looks for)
        bug = f"{type(error).__name__}: {str(error)[:80]}"
        tally.bugs[bug] += 1
        if tally.bugs[bug] == 1:
            KEPT.mkdir(parents=True, exist_ok=True)
            path = KEPT / f"{index}.onnx"
            path.write_bytes(data)
            print(f"BUG in {name}, kept as {path.relative_to(ROOT)}", flush=True)
            traceback.print_exc(limit=-6)
        return
    tally.kinds[outcome.kind] += 1
    if not watch and outcome.seconds > tally.slowest_s:
        tally.slowest_s, tally.slowest = outcome.seconds, name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    everything = sources()
    large = everything[: len(list(MODELS.glob("*.onnx")))]
    tally = Tally()
    start = last = time.monotonic()
    index = 0
    while (now := time.monotonic()) - start < arguments.seconds:
        if now - last >= REPORT_S:
            print(tally.line(now - start), flush=True)
            last = now
        name, damage = rng.choice(large if rng.random() < 0.02 else everything)
        try_one(tally, index, name, damage(rng))
        index += 1
    print(tally.line(time.monotonic() - start), flush=True)
    return 1 if tally.bugs else 0


if __name__ == "__main__":
    sys.exit(main())
