"""What a compiler is told of an adapter."""

import asyncio

import pytest

from intab.backends.webgpu import device
from intab.backends.webgpu.device import shared_gpu, target_of
from intab.browser.gpu import Gpu
from intab.browser.gpu_info import GpuInfo
from intab.errors import BackendUnavailableError
from intab.target import WEBGPU
from tests.browser_layer.stand_in import stand_in
from tests.browser_layer.stand_in_gpu import Browser


def test_kernels_bind_no_more_buffers_than_shaders_may_declare() -> None:
    info = GpuInfo("vendor", "architecture", limits={"maxStorageBuffersPerShaderStage": 10})
    assert target_of(info).most_buffers == WEBGPU.most_buffers == 8


@pytest.mark.parametrize(("sizes", "expected"), [(None, 0), ((32, 32), 32), ((8, 32), 0)])
def test_subgroups_count_where_all_have_one_size(sizes: tuple[int, int] | None, expected: int) -> None:
    assert target_of(GpuInfo("vendor", "architecture", subgroup_sizes=sizes)).subgroup == expected


def test_all_who_ask_at_once_share_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_gpu", None)

    async def ask() -> tuple[Gpu, Gpu]:
        impatient, *patient = [asyncio.ensure_future(shared_gpu()) for _ in range(3)]
        await asyncio.sleep(0)
        impatient.cancel()
        one, other = await asyncio.gather(*patient)
        assert impatient.cancelled()
        return one, other

    with stand_in() as way:
        Browser(way)
        one, other = asyncio.run(ask())
        assert one is other
        one.dispose()
        again = asyncio.run(shared_gpu())
        assert again is not one
        again.dispose()


def test_a_device_that_was_refused_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_gpu", None)
    with stand_in() as way:
        for _ in range(2):
            with pytest.raises(BackendUnavailableError):
                asyncio.run(shared_gpu())
        Browser(way)
        asyncio.run(shared_gpu()).dispose()
