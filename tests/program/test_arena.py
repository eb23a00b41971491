"""How near the arena of real models comes to the least possible: the largest set of buffers alive at once."""

from collections.abc import Mapping
from pathlib import Path

import onnx.backend.test
import pytest

from intab import formats
from intab.graph.storage import MemoryStorage
from intab.optimize import optimize
from intab.program import Binder, build
from intab.program.ir import ARENA
from intab.program.memory import Lifetime, largest_live_set
from intab.target import WASM_SIMD
from tests.conftest import MODELS

MOST = 1.10
LIGHT = Path(onnx.backend.test.__file__).parent / "data" / "light"


def assert_near_the_bound(model: Path, *cases: tuple[int, ...], least: int = 50) -> None:
    """Bind the model to sizes of its symbols, in the order of their names."""
    graph = optimize(formats.read(MemoryStorage(model.name, model.read_bytes())), target=WASM_SIMD)
    program = build(graph, WASM_SIMD)
    for sizes in cases:
        binder = Binder(program)
        plan = binder.bind(dict(zip(binder.symbols, sizes, strict=True)))
        lives = [
            Lifetime(buffer.first_step, buffer.last_step, int(nbytes))
            for buffer, nbytes in zip(program.buffers, plan.buffer_nbytes, strict=True)
            if buffer.region == ARENA
        ]
        assert len(lives) > least
        assert plan.region_nbytes[ARENA] <= MOST * largest_live_set(lives), sizes


@pytest.mark.parametrize(
    "name, cases",
    [
        ("det", [(1, 640, 640), (1, 320, 960), (2, 736, 512)]),
        ("rec", [(1, 320), (6, 320), (6, 1200), (1, 48)]),
        ("cls", [(1, 48, 192), (6, 48, 192)]),
    ],
)
def test_the_ocr_models(ocr_models: Mapping[str, Path], name: str, cases: list[tuple[int, ...]]) -> None:
    assert_near_the_bound(ocr_models[name], *cases)


@pytest.mark.parametrize(
    "name, cases, least",
    [
        ("minilm", [(1, 128), (4, 17)], 50),
        ("silero", [(31,), (1,)], 10),
        ("magika", [(1,), (5,)], 10),
    ],
)
def test_models_of_words_sound_and_bytes(name: str, cases: list[tuple[int, ...]], least: int) -> None:
    assert_near_the_bound(MODELS / "tests" / f"{name}.onnx", *cases, least=least)


@pytest.mark.parametrize("name", ["light_resnet50", "light_shufflenet", "light_densenet121"])
def test_networks_for_pictures(name: str) -> None:
    assert_near_the_bound(LIGHT / f"{name}.onnx", ())
