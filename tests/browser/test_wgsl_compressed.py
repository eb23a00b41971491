"""Products with weights of few bits in Chromium's WebGPU (on SwiftShader where there is no GPU)."""

from dataclasses import replace

import pytest

from intab.target import WEBGPU
from tests.browser.test_wgsl import subgroup_size, wrong_cases
from tests.kernels.grid_cases import SHAPES, subgroup_shapes
from tests.kernels.grid_compressed_cases import compressed_products


@pytest.mark.driver_timeout(120)
def test_products_with_small_numbers_compute_the_same_on_webgpu(selenium):
    assert wrong_cases(selenium, list(compressed_products(SHAPES)), WEBGPU) == []


@pytest.mark.driver_timeout(120)
def test_the_same_in_subgroups(selenium):
    size = subgroup_size(selenium)
    if not size:
        pytest.skip("the adapter has no subgroups of one size")
    cases = list(compressed_products(subgroup_shapes(size)))
    assert wrong_cases(selenium, cases, replace(WEBGPU, subgroup=size)) == []
