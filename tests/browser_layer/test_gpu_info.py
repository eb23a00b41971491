"""What is made of an adapter's own words, of which browsers leave some out."""

from types import SimpleNamespace
from typing import Any

import pytest

from intab.browser.gpu_info import GpuInfo, adapter_info
from tests.browser_layer.stand_in import StandIn


def adapter(info: dict[str, Any] | None = None, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(info=SimpleNamespace(**(info or {})), **more)


def test_everything_that_is_told_is_there(way: StandIn):
    way.js.navigator.gpu = SimpleNamespace(wgslLanguageFeatures=["packed_4x8_integer_dot_product"])
    names = {"vendor": "nvidia", "architecture": "ampere", "device": "0x2684", "description": "NVIDIA RTX"}
    sizes = {"subgroupMinSize": 32, "subgroupMaxSize": 32.0, "isFallbackAdapter": False}
    limits = SimpleNamespace(maxBufferSize=2.0**31, maxComputeWorkgroupStorageSize=49_152, maxVertexBuffers=8)
    info = adapter_info(adapter(names | sizes, features=["subgroups", "shader-f16"], limits=limits))
    assert info == GpuInfo(
        "nvidia",
        "ampere",
        "0x2684",
        "NVIDIA RTX",
        features=frozenset({"subgroups", "shader-f16"}),
        limits={"maxBufferSize": 2**31, "maxComputeWorkgroupStorageSize": 49_152},
        subgroup_sizes=(32, 32),
        language_features=frozenset({"packed_4x8_integer_dot_product"}),
    )
    assert info.name == "nvidia ampere 0x2684 NVIDIA RTX"


def test_an_adapter_that_tells_nothing_is_taken_as_it_is(way: StandIn):
    info = adapter_info(SimpleNamespace())
    assert info == GpuInfo("", "")
    assert info.name == "a GPU without a name"


@pytest.mark.parametrize(
    "told",
    [
        adapter({"isFallbackAdapter": True}),
        adapter(isFallbackAdapter=True),
        adapter({"vendor": "google", "architecture": "swiftshader"}),
        adapter({"vendor": "mesa", "description": "llvmpipe (LLVM 19.1.7, 256 bits)"}),
        adapter({"vendor": "microsoft", "description": "Microsoft Basic Render Driver"}),
    ],
)
def test_software_is_told_by_a_flag_or_by_its_name(way: StandIn, told: SimpleNamespace):
    assert adapter_info(told).is_software


def test_sizes_of_subgroups_count_only_where_there_are_subgroups(way: StandIn):
    sizes = {"subgroupMinSize": 4, "subgroupMaxSize": 4}
    assert adapter_info(adapter(sizes)).subgroup_sizes is None
    assert adapter_info(adapter(sizes, features=["subgroups"])).subgroup_sizes == (4, 4)
