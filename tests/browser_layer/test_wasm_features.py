"""The modules that tell features of WebAssembly apart, against an engine whose features are switched off one by one."""

import pytest
import wasmtime

from intab.browser.wasm_features import PROBES, accepted

SWITCHES = {
    "simd": ("wasm_simd", "wasm_relaxed_simd"),  # wasmtime refuses relaxed SIMD without SIMD
    "relaxed-simd": ("wasm_relaxed_simd",),
    "threads": ("wasm_threads",),
    "memory64": ("wasm_memory64",),
    "exceptions": ("wasm_exceptions",),
}


def features(*switched_off: str) -> set[str]:
    config = wasmtime.Config()
    config.wasm_exceptions = True
    for name in switched_off:
        setattr(config, name, False)
    engine = wasmtime.Engine(config)

    def validate(module: bytes) -> bool:
        try:
            wasmtime.Module.validate(engine, module)
        except wasmtime.WasmtimeError:
            return False
        return True

    return set(accepted(validate))


def test_all_are_there_when_nothing_is_switched_off():
    assert features() == set(PROBES) == set(SWITCHES)


@pytest.mark.parametrize("name", [name for name in SWITCHES if name != "simd"])
def test_a_feature_that_is_switched_off_is_missing(name: str):
    assert features(*SWITCHES[name]) == set(PROBES) - {name}


def test_without_simd_there_is_no_relaxed_simd():
    assert features(*SWITCHES["simd"]) == set(PROBES) - {"simd", "relaxed-simd"}
