"""WGSL text, layout and refusals; whether the shaders compute the right thing is tested in a browser."""

import struct

import pytest

from intab.errors import KernelError, UnsupportedOpError
from intab.kernels.block import KernelWriter, load
from intab.kernels.ir import F32, F64, I32, U32, Const
from intab.kernels.wgsl import generate, pack_words, workgroups


def halves() -> KernelWriter:
    k = KernelWriter("halves")
    x, y = k.buffer("x", "f32", "read"), k.buffer("y", "f32", "write")
    k.store(y, k.item, load(x, k.item, F32, 2) * k.word("factor", F32))
    return k


def test_shader_text() -> None:
    shader = generate(halves().kernel())
    assert shader.buffers == (("x", "read"), ("y", "write"))
    assert shader.text == (
        "@group(0) @binding(0) var<storage, read> words: array<u32>;\n"
        "@group(0) @binding(1) var<storage, read> b_x: array<f32>;\n"
        "@group(0) @binding(2) var<storage, read_write> b_y: array<f32>;\n"
        "@compute @workgroup_size(64)\n"
        "fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {\n"
        "    let place = id.x + id.y * groups.x * 64u;\n"
        "    if (place >= words[0]) { return; }\n"
        "    let v_item = i32(place);\n"
        "    let o_x = bitcast<i32>(words[1]);\n"
        "    let o_y = bitcast<i32>(words[2]);\n"
        "    let w_factor = bitcast<f32>(words[3]);\n"
        "    b_y[(o_y + v_item)] = (b_x[((o_x + v_item) + 2)] * w_factor);\n"
        "}\n"
    )


def test_words_are_packed_in_order() -> None:
    k = halves()
    k.word("shift", I32)
    k.word("mask", U32)
    words = {"mask": 2**32 - 1, "shift": -2, "factor": 0.5}
    packed = pack_words(k.kernel(), 7, {"y": 9}, words)
    assert packed == struct.pack("<IiifiI", 7, 0, 9, 0.5, -2, 2**32 - 1)
    with pytest.raises(KernelError, match="without shift"):
        pack_words(k.kernel(), 7, {}, {"mask": 0, "factor": 1.0})


@pytest.mark.parametrize("count", [0, 1, 64, 65, 64 * 65535, 64 * 65535 + 1, 10**9])
def test_workgroups_cover_all_items(count: int) -> None:
    x, y, z = workgroups(count)
    assert x * y * z * 64 >= count
    assert max(x, y) <= 65535
    assert (x - 1) * y * 64 < max(count, 1)


def test_what_wgsl_lacks_is_refused_by_name() -> None:
    k = halves()
    k.let("wide", Const(1.0, F64))
    with pytest.raises(UnsupportedOpError, match="Kernel halves: WGSL has no f64"):
        generate(k.kernel())
    k = KernelWriter("bytes")
    k.buffer("x", "u8", "read")
    with pytest.raises(UnsupportedOpError, match="Kernel bytes: buffer x holds u8"):
        generate(k.kernel())
    k = KernelWriter("eight")
    k.buffer("x", "f32", "read")
    k.let("v", load("x", 0, F32.wide(8)))
    with pytest.raises(UnsupportedOpError, match="vectors of 8 lanes"):
        generate(k.kernel())
    k = KernelWriter("many")
    for index in range(8):
        k.buffer(f"x{index}", "f32", "read")
    with pytest.raises(UnsupportedOpError, match="it has 8 buffers"):
        generate(k.kernel())


def test_numbers_that_are_not_finite_are_made_at_run_time() -> None:
    k = KernelWriter("edges")
    k.buffer("y", "f32", "write")
    for index, value in enumerate((float("inf"), float("-inf"), float("nan"), -0.0)):
        k.store("y", index, Const(value, F32))
    text = generate(k.kernel()).text
    assert "var<private> infinity_bits: u32 = 0x7f800000u;" in text
    assert "= bitcast<f32>(minus_infinity_bits);" in text
    assert "= (-0.0f);" in text
