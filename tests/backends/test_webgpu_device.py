"""What a compiler is told of an adapter."""

import pytest

from intab.backends.webgpu.device import target_of
from intab.browser.gpu_info import GpuInfo
from intab.target import WEBGPU


def test_kernels_bind_no_more_buffers_than_shaders_may_declare() -> None:
    info = GpuInfo("vendor", "architecture", limits={"maxStorageBuffersPerShaderStage": 10})
    assert target_of(info).most_buffers == WEBGPU.most_buffers == 8


@pytest.mark.parametrize(("sizes", "expected"), [(None, 0), ((32, 32), 32), ((8, 32), 0)])
def test_subgroups_count_where_all_have_one_size(sizes: tuple[int, int] | None, expected: int) -> None:
    assert target_of(GpuInfo("vendor", "architecture", subgroup_sizes=sizes)).subgroup == expected
