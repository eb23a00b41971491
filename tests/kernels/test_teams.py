"""Team kernels and buffers of vectors: their slow meaning against numpy, their rules, their text."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from intab.errors import KernelError, UnsupportedOpError
from intab.kernels import interpret, wasm, wgsl
from intab.kernels.block import KernelWriter, at, combined, from_member, load
from intab.kernels.ir import BOOL, F32, I32, U32, Const, DotBytes, Kernel, Shared, Spread
from intab.kernels.text import digest, kernel_text
from intab.kernels.verify import verify
from intab.target import WASM_SIMD, WEBGPU
from tests.kernels.case import KernelCase, far
from tests.kernels.team_cases import SUBGROUP, shared_sum, subgroup_product, team_cases

IN_SUBGROUPS = replace(WEBGPU, subgroup=SUBGROUP)


@pytest.mark.parametrize("case", team_cases(), ids=str)
def test_team_is_right(case: KernelCase) -> None:
    buffers = {name: array.copy() for name, array in case.buffers.items()}
    interpret.run(case.kernel, buffers, case.offsets, case.words, 0, case.items)
    for name, expected in case.expected.items():
        assert far(buffers[name], expected) <= case.tolerance


def writer(*, in_subgroup: bool = False, vector: int = 1) -> KernelWriter:
    """A kernel of a team of 4 with x to read, y to read and write, and a shared array of 8."""
    k = KernelWriter("broken")
    k.buffer("x", "f32", "read", vector=vector)
    k.buffer("y", "f32", "read_write")
    k.team(4, in_subgroup=in_subgroup)
    k.shared("held", "f32", 8)
    return k


Breaker = Callable[[KernelWriter], None]


def _barrier_under_member(k: KernelWriter) -> None:
    with k.when(load("x", k.member, F32).lt(1.0)):
        k.barrier()


def _barrier_in_loop_of_member(k: KernelWriter) -> None:
    with k.loop("i", 0, k.member):
        k.barrier()


def _barrier_under_what_is_written(k: KernelWriter) -> None:
    with k.when(load("y", 0, F32).lt(1.0)):
        k.barrier()


def _barrier_under_late_difference(k: KernelWriter) -> None:
    last = k.let("last", 4, I32)
    with k.loop("i", 0, 4):
        with k.loop("j", 0, last):
            k.barrier()
        with k.when(k.member.lt(2)):
            k.assign(last, 3)


def _exchange_under_member(k: KernelWriter) -> None:
    with k.when(k.member.lt(2)):
        k.store("y", k.member, combined("add", load("x", k.member, F32)))


def _exchange_under_exchange(k: KernelWriter) -> None:
    with k.when(from_member(k.member, 0).lt(2)):
        k.store("y", k.member, combined("add", load("x", k.member, F32)))


def _unknown_combination(k: KernelWriter) -> None:
    k.let("a", combined("mul", load("x", 0, F32)))


def _exchanged_bool(k: KernelWriter) -> None:
    k.let("a", from_member(Const(1, BOOL), 0))


def _assigned_member(k: KernelWriter) -> None:
    k.assign(k.member, 2)


def _float_member(k: KernelWriter) -> None:
    k.let("a", from_member(Const(1, I32), Const(1.0, F32)))


@pytest.mark.parametrize(
    ("breaker", "message"),
    [
        (_barrier_under_member, "a barrier stands where members of the team may have parted"),
        (_barrier_in_loop_of_member, "a barrier stands where"),
        (_barrier_under_what_is_written, "a barrier stands where"),
        (_barrier_under_late_difference, "a barrier stands where"),
        (_exchange_under_member, r"combined_add\(x\[member\]:f32\) stands where"),
        (_exchange_under_exchange, r"combined_add\(x\[member\]:f32\) stands where"),
        (_unknown_combination, "'mul' does not combine numbers; add, max, min do"),
        (_exchanged_bool, "members exchange numbers, not bool"),
        (_assigned_member, "member is assigned where it is fixed"),
        (_float_member, "the number of a member: f32 where i32 is needed"),
    ],
)
def test_rule_of_teams_is_kept(breaker: Breaker, message: str) -> None:
    k = writer(in_subgroup=True)
    breaker(k)
    with pytest.raises(KernelError, match=f"Kernel broken: .*{message}"):
        verify(k.kernel())


def test_members_meet_under_what_is_the_same_for_all() -> None:
    k = writer(in_subgroup=True)
    rows = k.word("rows")
    with k.loop("i", 0, rows + k.item) as i, k.when(load("x", i, F32).lt(1.0)):
        k.barrier()
        k.let("a", combined("max", load("x", k.member, F32)))
    verify(k.kernel())


def test_only_teams_share_wait_and_exchange() -> None:
    sound = writer().kernel()
    verify(sound)
    with pytest.raises(KernelError, match="shared arrays and subgroups need a team"):
        verify(replace(sound, member=None, team=1))
    with pytest.raises(KernelError, match="a team of 1 counted by an i32"):
        verify(replace(sound, team=1))
    with pytest.raises(KernelError, match="shared array held of 6 elements, 4 at a time"):
        verify(replace(sound, shared=(Shared("held", "f32", 6, 4),)))
    with pytest.raises(KernelError, match="two buffers, or two words, have one name"):
        verify(replace(sound, shared=(Shared("x", "f32", 6),)))
    k = KernelWriter("alone")
    k.barrier()
    with pytest.raises(KernelError, match="Kernel alone: a barrier is for teams"):
        verify(k.kernel())
    k = writer()
    k.let("a", from_member(k.member, 0))
    with pytest.raises(KernelError, match=r"from_member\(member, 0\) needs a team that is in one subgroup"):
        verify(k.kernel())
    with pytest.raises(KernelError, match="has a team already"):
        k.team(4)
    with pytest.raises(KernelError, match="declares shared array 'held' twice"):
        k.shared("held", "f32", 8)


def test_vectors_are_accessed_whole() -> None:
    for lanes, offset in ((1, 0), (4, 2)):
        k = writer(vector=4)
        k.let("a", load("x", 0, F32.wide(lanes), offset))
        with pytest.raises(KernelError, match=f"x of vectors of 4 is accessed by {lanes} at offset {offset}"):
            verify(k.kernel())
    with pytest.raises(KernelError, match="x is of vectors of 3"):
        verify(writer(vector=3).kernel())


@pytest.mark.parametrize(("index", "start"), [(2, 0), (3, 1)])
def test_interpreter_refuses_vectors_that_are_not_aligned(index: int, start: int) -> None:
    k = KernelWriter("crooked")
    k.buffer("x", "f32", "read", vector=4)
    k.let("a", load("x", k.item * 4 + index, F32.wide(4)))
    with pytest.raises(KernelError, match="Kernel crooked goes to element .* of x, not one in 4"):
        interpret.run(k.kernel(), {"x": np.zeros(16, "f4")}, {"x": start}, {}, 0, 1)


def run_team(k: KernelWriter) -> None:
    interpret.run(k.kernel(), {"x": np.zeros(8, "f4"), "y": np.zeros(8, "f4")}, {}, {}, 0, 1)


def test_interpreter_finds_where_a_barrier_is_missing() -> None:
    k = writer()
    k.store("held", k.member, Const(1.0, F32))
    k.barrier()
    k.let("a", load("held", k.let("p", at("held", 3 - k.member)), F32))
    run_team(k)
    k.store("held", k.member, Const(2.0, F32))
    other = writer()
    other.store("held", other.member, Const(1.0, F32))
    other.let("a", load("held", 3 - other.member, F32))
    for missing in (k, other):
        with pytest.raises(KernelError, match="broken meet in held with no barrier between"):
            run_team(missing)


def test_interpreter_finds_a_member_that_is_not_there() -> None:
    k = writer(in_subgroup=True)
    k.let("a", from_member(k.member, k.member + 1))
    with pytest.raises(KernelError, match=r"asks members \[1, 2, 3, 4\] of a team of 4"):
        run_team(k)


def test_shared_memory_holds_nothing_before() -> None:
    k = writer()
    k.store("y", k.member, load("held", k.member, F32))
    y = np.zeros(4, "f4")
    interpret.run(k.kernel(), {"x": np.zeros(4, "f4"), "y": y}, {}, {}, 0, 1)
    assert np.isnan(y).all()


def test_text_says_all_of_a_team() -> None:
    k = writer(in_subgroup=True, vector=4)
    k.shared("four", "i32", 8, vector=4)
    k.let("a", from_member(combined("max", k.member), k.member % 2))
    k.barrier()
    assert kernel_text(k.kernel()) == (
        "kernel broken(x: read f32 by 4, y: read_write f32; ) item\n"
        "  team 4 of member in a subgroup\n"
        "  shared held: f32[8]\n"
        "  shared four: i32[8] by 4\n"
        "  let a: i32 = from_member(combined_max(member), (member % 2))\n"
        "  barrier\n"
    )
    assert digest(writer().kernel()) != digest(writer(in_subgroup=True).kernel()) != digest(writer(vector=4).kernel())


def test_webassembly_refuses_teams() -> None:
    with pytest.raises(KernelError, match="Kernel shared_sum is for a team of 8"):
        wasm.generate([shared_sum()], WASM_SIMD)


def test_products_of_bytes() -> None:
    """WGSL's own where the language has it, and single products where it does not; WebAssembly multiplies pairs."""
    k = KernelWriter("bytes")
    y, x = k.buffer("y", "i32", "write"), k.let("x", 7, U32)
    for signed in (True, False):
        k.store(y, 0, DotBytes(x, x, signed))
    verify(k.kernel())
    assert kernel_text(k.kernel()).count("dot_signed_bytes(x, x)\n  y[0] = dot_unsigned_bytes(x, x)") == 1
    packed = wgsl.generate(k.kernel(), WEBGPU.with_feature("packed-dot")).text
    assert "{ return dot4I8Packed(x, y); }" in packed
    assert "{ return bitcast<i32>(dot4U8Packed(x, y)); }" in packed
    single = wgsl.generate(k.kernel()).text
    assert "dot4" not in single
    assert "extractBits(bitcast<i32>(x), 24u, 8u) * extractBits(bitcast<i32>(y), 24u, 8u)" in single
    with pytest.raises(KernelError, match="Kernel bytes: WebAssembly multiplies bytes in pairs"):
        wasm.generate([k.kernel()], WASM_SIMD)
    k.let("wrong", DotBytes(x, Const(1, I32), True))
    with pytest.raises(KernelError, match="the right side of dot_bytes: i32 where u32 is needed"):
        verify(k.kernel())


def test_numbers_of_a_word() -> None:
    k = KernelWriter("words")
    y, x = k.buffer("y", "i32", "write", vector=4), k.let("x", 7, U32)
    k.store(y, 0, Spread(x, 8, True))
    k.store(y, 4, Spread(x, 4, False))
    verify(k.kernel())
    assert kernel_text(k.kernel()).count("y[0] = signed8(x)\n  y[4] = unsigned4(x)") == 1
    text = wgsl.generate(k.kernel()).text
    assert "{ return (vec4<i32>(bitcast<i32>(x)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u); }" in text
    assert "bitcast<vec4<i32>>((vec4<u32>(x) << vec4<u32>(28u, 24u, 20u, 16u)) >> vec4<u32>(28u)); }" in text
    with pytest.raises(KernelError, match="Kernel words: WebAssembly loads bytes as they lie"):
        wasm.generate([k.kernel()], WASM_SIMD)
    k.let("wrong", Spread(x, 2, True))
    with pytest.raises(KernelError, match=r"signed2\(x\): a word is spread into numbers of 4 or 8 bits"):
        verify(k.kernel())


def test_shader_of_a_team() -> None:
    shader = wgsl.generate(shared_sum())
    assert (shader.team, shader.features) == (8, ())
    head = shader.text.split("    let o_x")[0]
    assert head == (
        "struct Words { count: u32, o_x: i32, o_y: i32, w_length: i32 }\n"
        "@group(0) @binding(0) var<uniform> words: Words;\n"
        "@group(0) @binding(1) var<storage, read> b_x: array<f32>;\n"
        "@group(0) @binding(2) var<storage, read_write> b_y: array<f32>;\n"
        "var<workgroup> b_parts: array<f32, 8>;\n"
        "@compute @workgroup_size(8)\n"
        "fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) number: u32, "
        "@builtin(num_workgroups) groups: vec3<u32>) {\n"
        "    let place = id.x + id.y * groups.x;\n"
        "    if (place >= words.count) { return; }\n"
        "    let v_item = i32(place);\n"
        "    let v_member = i32(number);\n"
    )
    assert shader.text.count("    workgroupBarrier();\n") == 4
    assert "b_parts[v_member] = (b_parts[v_member] + b_parts[(v_member + i32(4))]);" in shader.text
    assert wgsl.workgroups(70000, shader.team) == (35000, 2, 1)


def test_shader_of_a_subgroup() -> None:
    shader = wgsl.generate(subgroup_product(SUBGROUP).kernel, IN_SUBGROUPS)
    assert (shader.team, shader.features) == (SUBGROUP, ("subgroups",))
    assert shader.text.startswith("enable subgroups;\n")
    for part in (
        "@builtin(subgroup_invocation_id) number: u32",
        "b_b: array<vec4<f32>>;",
        "    let o_b = words.o_b >> 2u;",
        "quadBroadcast(v_right, 3u)",
        "        v_p = (v_p + w_columns);",
        "b_y[(o_y + (((v_row * w_columns) + v_column) >> u32(2)))] = v_total;",
    ):
        assert part in shader.text
    larger = wgsl.generate(subgroup_product(2 * SUBGROUP).kernel, replace(WEBGPU, subgroup=2 * SUBGROUP))
    assert "subgroupBroadcast(v_right, 7u)" in larger.text


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (subgroup_product(8).kernel, "its team of 8 is to be one subgroup; those of the device have 4"),
        (replace(shared_sum(), team=512), "its team of 512 is larger than 256, the device's most"),
        (
            replace(shared_sum(), shared=(Shared("parts", "i8", 4997),)),
            "its team shares 20000 bytes; the device has 16384",
        ),
    ],
)
def test_what_the_device_lacks_is_refused(kernel: Kernel, message: str) -> None:
    with pytest.raises(UnsupportedOpError, match=f"Kernel {kernel.name}: {message}"):
        wgsl.generate(kernel, IN_SUBGROUPS)
