"""Products as GPUs share them, in Chromium's WebGPU (on SwiftShader where there is no GPU)."""

from dataclasses import replace

import pytest

from intab.target import WEBGPU
from tests.browser.test_wgsl import subgroup_size, wrong_cases
from tests.kernels.grid_cases import SHAPES, grid_products, guarded_depthwises, subgroup_shapes
from tests.kernels.grid_depthwise_cases import grid_depthwises


@pytest.mark.driver_timeout(120)
def test_products_compute_the_same_on_webgpu(selenium):
    assert wrong_cases(selenium, [*grid_products(SHAPES), *guarded_depthwises()], WEBGPU) == []


@pytest.mark.driver_timeout(120)
def test_depthwise_blocks_compute_the_same_on_webgpu(selenium):
    assert wrong_cases(selenium, list(grid_depthwises()), WEBGPU) == []


@pytest.mark.driver_timeout(120)
def test_products_in_subgroups_compute_the_same_on_webgpu(selenium):
    size = subgroup_size(selenium)
    if not size:
        pytest.skip("the adapter has no subgroups of one size")
    cases = list(grid_products(subgroup_shapes(size)))
    assert wrong_cases(selenium, cases, replace(WEBGPU, subgroup=size)) == []
