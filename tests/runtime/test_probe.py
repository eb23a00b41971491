"""A device as data and as a table, and what the probe finds on the desktop."""

import asyncio
import json
import re

import pytest

import intab
from intab.browser.facts import GlFacts, MediaFacts, Note, StorageFacts
from intab.browser.gpu_info import GpuInfo
from intab.browser.wasm_features import PROBES
from intab.errors import DTypeError
from intab.runtime import probe
from intab.runtime.device_table import Row
from intab.runtime.probe import Device

LAPTOP = Device(
    place="browser",
    agent="Browser <1>",
    origin="https",
    is_isolated=True,
    processors=8,
    memory_nbytes=8 << 30,
    wasm=("simd", "threads"),
    webgpu=GpuInfo(
        "intel",
        "xe",
        features=frozenset({"subgroups", "timestamp-query"}),
        limits={"maxBufferSize": 3 << 29, "maxComputeWorkgroupStorageSize": 32_768},
        subgroup_sizes=(8, 32),
    ),
    webgl=GlFacts("ANGLE (Intel)", float_targets=True, limits={"MAX_TEXTURE_SIZE": 16_384}),
    storage=StorageFacts(2 << 30, 300, False),
    camera=MediaFacts(True, True, "granted"),
    microphone=MediaFacts(True, False, "denied"),
    notes=(
        Note("relaxed-simd", "it is not there", "Take another."),
        Note("microphone", "none is connected", "Connect one."),
        Note("microphone", "the visitor has denied it", "Allow it."),
        Note("scope", "asking failed (Error: no)"),
    ),
)


def rows() -> dict[str, Row]:
    return {row.name: row for row in LAPTOP.rows()}


def test_the_table_says_what_is_there_and_why_not():
    found = rows()
    assert found["webgpu"] == Row("WebGPU", "webgpu", "intel xe (hardware)", True)
    assert found["subgroups"].value == "of 8 to 32"
    assert (found["largest buffer"].value, found["workgroup memory"].value) == ("1.5 GiB", "32 KiB")
    assert found["largest binding"].value == "unknown"
    assert found["storage"].value == "2 GiB, of which used: 300 bytes"
    assert found["relaxed-simd"] == Row("WebAssembly", "relaxed-simd", "no", False, "It is not there. Take another.")
    assert found["camera"] == Row("Camera and sound", "camera", "connected; allowed", True)
    assert found["microphone"].note == "None is connected. Connect one. The visitor has denied it. Allow it."
    assert found["scope"] == Row("Other", "scope", "", None, "Asking failed (Error: no).")


def test_every_note_has_a_row():
    assert {note.about for note in LAPTOP.notes} <= set(rows())


def test_it_prints_as_a_table_no_wider_than_a_terminal():
    lines = str(LAPTOP).splitlines()
    assert lines[0] == "Page"
    assert max(map(len, lines)) <= 110
    value = next(index for index, line in enumerate(lines) if re.fullmatch(r"  relaxed-simd +no", line))
    assert lines[value + 1].strip() == "It is not there. Take another."


def test_a_notebook_shows_it_as_html_that_cannot_be_broken_out_of():
    page = LAPTOP._repr_html_()
    assert "Browser &lt;1&gt;" in page and "<1>" not in page
    assert page.count("<tr>") == page.count("</tr>") == len(LAPTOP.rows()) + len({row.group for row in LAPTOP.rows()})


def test_it_is_data_that_json_keeps():
    data = LAPTOP.as_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["webgpu"]["features"] == ["subgroups", "timestamp-query"]
    assert data["camera"] == {"api": True, "connected": True, "permission": "granted"}
    assert data["notes"][0] == {"about": "relaxed-simd", "why": "it is not there", "remedy": "Take another."}


def test_memory_is_shared_only_where_the_page_is_isolated():
    assert LAPTOP.can_share_memory
    assert not Device(place="browser", agent="", wasm=("threads",)).can_share_memory
    assert not Device(place="browser", agent="", wasm=("simd",), is_isolated=True).can_share_memory


def test_a_note_is_found_by_what_it_is_about():
    note = LAPTOP.note("relaxed-simd")
    assert note is not None and str(note) == "relaxed-simd: it is not there. Take another."
    assert LAPTOP.note("webgpu") is None


def test_the_desktop_has_wasmtime_and_no_browser():
    device = asyncio.run(intab.probe())
    assert isinstance(device, intab.Device)
    assert device.place == "desktop" and device.processors >= 1 and not device.can_share_memory
    assert set(device.wasm or ()) <= set(PROBES) and "relaxed-simd" in (device.wasm or ())
    assert "wasmtime" in device.agent
    note = device.note("webgpu")
    assert note is not None and "intab doctor" in note.remedy
    assert "Page" not in str(device).splitlines()


def test_the_desktop_says_how_to_get_wasmtime(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(probe, "wasmtime_is_installed", lambda: False)
    device = asyncio.run(probe.probe())
    note = device.note("wasm")
    assert device.wasm is None
    assert note is not None and note.remedy == 'pip install "intab[desktop]"'
    assert 'pip install "intab[desktop]"' in str(device)


def test_it_comes_back_from_its_data():
    for device in (LAPTOP, asyncio.run(probe.probe())):
        assert Device.from_dict(json.loads(json.dumps(device.as_dict()))) == device


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"processors": "8"}, "'8' is given where <class 'int'> was"),
        ({"notes": [{"about": "memory"}]}, "Note has the fields about, remedy, why, and given are about"),
        ({"more": 1}, "given are .*more"),
        ({"wasm": "simd"}, "'simd' is given where"),
    ],
)
def test_other_data_is_refused(changed: dict[str, object], words: str):
    with pytest.raises(DTypeError, match=words):
        Device.from_dict(LAPTOP.as_dict() | changed)
