"""Every operator as generated WebAssembly, plain and relaxed SIMD, against its numpy meaning."""

import pytest

from tests.ops.case import OpCase
from tests.ops.cases import OP_CASES
from tests.running import assert_as_reference

pytestmark = pytest.mark.wasmtime


@pytest.mark.parametrize("case", [c for c in OP_CASES if c.kernel], ids=lambda case: case.name)
def test_generated_code_agrees_with_reference(case: OpCase) -> None:
    assert_as_reference(case.symbolic_graph(), case.feeds, 10 * case.tolerance)
