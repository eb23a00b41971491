"""Every operator's cases as WGSL in Chromium's WebGPU (on SwiftShader where there is no GPU), against numpy."""

import io
import json
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from pytest_pyodide import run_in_pyodide

from intab.backends.reference import evaluate
from intab.backends.webgpu.shaders import shaders_of
from intab.errors import UnsupportedOpError
from intab.graph.ir import Array, Graph
from intab.graph.storage import MemoryStorage
from intab.program import build
from intab.program.serialize import StoredProgram, to_bytes
from intab.target import HALVES, Target
from tests.agreement import agreement
from tests.ops.case import Numbers, OpCase
from tests.ops.cases import OP_CASES
from tests.ops.halves import between, representable_feeds

# Between an f32 and either neighbour in f16: WGSL says of no conversion which of them it gives (15.7.6).
HALF_STEP = 2**-10
# How far results may be where what lies between is rounded to float16.
IN_HALVES = 2e-2
# Cases are run so many at a time, so that progress shows.
AT_ONCE = 150


@run_in_pyodide
async def target_fields(selenium):
    from tests.browser.inside import programs

    return await programs.target()


@run_in_pyodide
async def run_programs(selenium, url):
    from tests.browser.inside import programs

    return await programs.run(url)


@run_in_pyodide
async def asked_for_halves(selenium, url):
    """Whether the adapter has numbers of 16 bits, and what a session in them says, or why there is none."""
    from intab.backends.webgpu.device import shared_gpu
    from intab.errors import BackendUnavailableError
    from intab.runtime import load

    has = "shader-f16" in (await shared_gpu()).info.features
    try:
        async with await load(url, backend="webgpu", precision="float16") as session:
            return has, session.choice.precision, str(session.choice)
    except BackendUnavailableError as error:
        return has, "", str(error)


def archive_of(
    cases: list[OpCase],
    target: Target,
    graph_of: Callable[[OpCase], Graph] = OpCase.symbolic_graph,
    feeds_of: Callable[[OpCase], dict[str, Numbers]] = lambda case: case.feeds,
) -> tuple[bytes, dict[str, str]]:
    """Programs of the cases for the browser to run, and name -> reason of those refused."""
    file, refused = io.BytesIO(), {}
    with zipfile.ZipFile(file, "w") as archive:
        for case in cases:
            graph = graph_of(case)
            try:
                program = build(graph, target)
                module = shaders_of(program)
            except UnsupportedOpError as error:
                refused[case.name] = str(error)
                continue
            stored = StoredProgram(program, module, graph)
            archive.writestr(f"{case.name}.program", to_bytes(stored, MemoryStorage("none", b"")))
            feeds = io.BytesIO()
            np.savez(feeds, **feeds_of(case))
            archive.writestr(f"{case.name}.npz", feeds.getvalue())
            told = {"sizes": case.bindings, "fetches": graph.output_names}
            archive.writestr(f"{case.name}.json", json.dumps(told))
    return file.getvalue(), refused


def without_nan(case: OpCase, found: Array, expected: Array) -> tuple[Array, Array]:
    """Both results with zeros where an operand of the same shape is NaN: shaders may take it for any number (WGSL
    specification, 15.7.2, "Differences from IEEE-754")."""
    operands = [x for x in case.feeds.values() if x.shape == expected.shape and x.dtype.kind == "f"]
    nan = np.any([np.isnan(x) for x in operands] or [np.zeros(expected.shape, np.bool_)], axis=0)
    return np.where(nan, found.dtype.type(0), found), np.where(nan, expected.dtype.type(0), expected)


@pytest.mark.driver_timeout(300)
def test_operators_agree_with_their_meaning(selenium, proofs):
    fields = target_fields(selenium)
    target = Target(**{**fields, "features": frozenset(fields["features"])})
    cases = [case for case in OP_CASES if case.kernel]
    wrong: dict[str, str] = {}
    refused: dict[str, str] = {}
    for first in range(0, len(cases), AT_ONCE):
        some = cases[first : first + AT_ONCE]
        data, not_had = archive_of(some, target)
        refused |= not_had
        found, errors = run_programs(selenium, proofs.serve(f"operators-{first}.zip", data))
        wrong |= errors
        with np.load(io.BytesIO(found)) as outputs:
            for case in some:
                if case.name in refused or case.name in wrong:
                    continue
                for output, expected in evaluate(case.symbolic_graph(), case.feeds).items():
                    far = agreement(*without_nan(case, outputs[f"{case.name}/{output}"], expected))
                    tolerance = HALF_STEP if expected.dtype == np.float16 else 10 * case.tolerance
                    if not far <= tolerance:
                        wrong[case.name] = f"{output} is {far} away"
        print(f"{first + len(some)} of {len(cases)} cases, {len(wrong)} wrong, {len(refused)} refused", flush=True)
    assert not wrong, "\n".join(f"{name}: {reason}" for name, reason in wrong.items())
    assert not refused, "\n".join(f"{name}: {reason}" for name, reason in refused.items())


@pytest.mark.driver_timeout(300)
def test_operators_with_halves_between(selenium, proofs, monkeypatch):
    """One case of each operator: what kernels make is rounded to float16, which this device need not have."""
    monkeypatch.setattr("intab.program.halves.LEAST_COUNT", 2)
    fields = target_fields(selenium)
    target = Target(**{**fields, "features": frozenset(fields["features"])}).with_feature(HALVES)
    cases = list({case.op: case for case in OP_CASES if case.kernel}.values())
    data, refused = archive_of(cases, target, lambda case: between(case.symbolic_graph()), representable_feeds)
    found, errors = run_programs(selenium, proofs.serve("operators-halves.zip", data))
    far = {}
    with np.load(io.BytesIO(found)) as outputs:
        for case in (case for case in cases if case.name not in errors):
            feeds = representable_feeds(case)
            for output, expected in evaluate(between(case.symbolic_graph()), feeds).items():
                far[case.name] = agreement(*without_nan(case, outputs[f"{case.name}/{output}"], expected))
    print(f"{len(far)} operators, at most {max(far.values())} away")
    assert not refused and not errors, (refused, errors)
    assert {name: distance for name, distance in far.items() if not distance <= IN_HALVES} == {}


def test_halves_are_used_where_the_adapter_has_them(selenium, proofs, ocr_models):
    has, precision, told = asked_for_halves(selenium, proofs.serve("halves.onnx", ocr_models["cls"].read_bytes()))
    assert precision == ("float16" if has else ""), told
    assert ("MiB of weights in 16 bits" if has else 'has no "shader-f16"') in told
