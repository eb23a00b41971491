"""The kernel language itself: its text, its digest, its rules and its slow meaning."""

from collections.abc import Callable

import numpy as np
import pytest

from intab.errors import KernelError
from intab.kernels import interpret
from intab.kernels.block import KernelWriter, at, load
from intab.kernels.ir import (
    F32,
    F64,
    I32,
    U32,
    Assign,
    Binary,
    Bitcast,
    Cast,
    Const,
    Expr,
    Fma,
    Lane,
    Load,
    Moved,
    Pick,
    Select,
    Splat,
    Store,
    Unary,
    Var,
    Word,
)
from intab.kernels.text import digest, kernel_text
from intab.kernels.verify import verify


def scaled_sum() -> KernelWriter:
    """y[item] = factor * sum of x[4 item .. 4 item + 4], with a pointer, a loop, a branch and a tile."""
    k = KernelWriter("scaled_sum")
    x, y, factor = k.buffer("x", "f32", "read"), k.buffer("y", "f32", "write"), k.word("factor", F32)
    with k.tile("body"):
        p = k.let("p", at(x, k.item * 4))
        total = k.let("total", load(x, p, F32))
        with k.loop("i", 1, 4):
            k.advance(p, 1)
            k.assign(total, total + load(x, p, F32))
        with k.when(total.lt(0.0)):
            k.store(y, k.item, -total)
        with k.otherwise():
            k.store(y, k.item, total * factor)
    return k


def test_text_is_readable() -> None:
    assert kernel_text(scaled_sum().kernel()) == (
        "kernel scaled_sum(x: read f32, y: write f32; factor: f32) item\n"
        "  tile body:\n"
        "    let p: pointer = x@(item * 4)\n"
        "    let total: f32 = x[p]:f32\n"
        "    for i in 1 .. 4 step 1:\n"
        "      p = moved(p, 1)\n"
        "      total = (total + x[p]:f32)\n"
        "    if (total < 0.0:f32):\n"
        "      y[item] = neg(total)\n"
        "    else:\n"
        "      y[item] = (total * $factor)\n"
    )


def test_digest_is_of_the_text() -> None:
    one, same = scaled_sum().kernel(), scaled_sum().kernel()
    other = scaled_sum()
    other.name = "other"
    assert one is not same
    assert digest(one) == digest(same) == digest(one)
    assert len(digest(one)) == 64
    assert digest(other.kernel()) != digest(one)


def test_every_expression_has_a_text_of_its_own() -> None:
    k = KernelWriter("all")
    x = k.buffer("x", "f32", "read")
    v = k.let("v", load(x, 0, F32.wide(4), 8))
    whole = k.let("whole", Cast(v, I32.wide(4)))
    expressions: list[Expr] = [
        v,
        Const(1.0, F32),
        Const(-0.0, F32),
        Const(1, I32),
        Const(1, U32),
        Unary("abs", v),
        Fma(v, v, v),
        Select(v.lt(1.0), v, -v),
        whole,
        Cast(v, U32.wide(4)),
        Bitcast(v, U32.wide(4)),
        Splat(Const(2.0, F32), 4),
        Lane(v, 3),
        Pick(v, v, (0, 4, 1, 5)),
        Pick(v, v, (2, 6, 3, 7)),
        v.minimum(2.0),
        whole << 2,
        load(x, 0, F32),
        load(x, 0, F32, 1),
    ]
    for index, expression in enumerate(expressions):
        k.let(f"e{index}", expression)
    lines = kernel_text(k.kernel()).splitlines()[3:]
    assert len({line.split(" = ")[1] for line in lines}) == len(expressions)
    verify(k.kernel())


def test_interpreter_runs_items_with_offsets() -> None:
    x = np.arange(20, dtype=np.float32)
    y = np.zeros(6, np.float32)
    interpret.run(scaled_sum().kernel(), {"x": x, "y": y}, {"x": 4, "y": 1}, {"factor": 0.5}, 1, 4)
    wanted = np.zeros(6, np.float32)
    wanted[2:5] = x[8:20].reshape(3, 4).sum(axis=1) / 2
    assert np.array_equal(y, wanted)


def test_interpreter_rounds_to_f32_and_wraps_integers() -> None:
    k = KernelWriter("wrap")
    y, z = k.buffer("y", "f32", "write"), k.buffer("z", "i32", "write")
    k.store(y, 0, k.let("large", 16777216.0, F32) + 1.0)
    k.store(z, 0, k.let("most", 2**31 - 1, I32) + 1)
    k.store(z, 1, Cast(k.let("nan", float("nan"), F32), I32))
    k.store(z, 2, Cast(k.let("huge", 1e20, F32), I32))
    k.store(z, 3, k.let("minus", -7, I32) // 2)
    k.store(z, 4, k.let("minus", -7, I32) % 2)
    k.store(z, 5, k.let("minus", -7, I32) >> 1)
    k.store(z, 6, Cast(Unary("nearest", k.let("half", 2.5, F32)), I32))
    a, b = np.zeros(1, np.float32), np.zeros(7, np.int32)
    interpret.run(k.kernel(), {"y": a, "z": b}, {}, {}, 0, 1)
    assert a[0] == 16777216
    assert b.tolist() == [-(2**31), 0, 2**31 - 1, -3, -1, -4, 2]


def test_interpreter_narrow_integers_and_bools() -> None:
    k = KernelWriter("narrow")
    names = ("i8", "u8", "i16", "u16", "bool")
    for name in names:
        k.buffer(name, name, "read_write")
        k.store(name, 0, load(name, 1, I32))
    buffers = {
        n: np.array([0, -1 if n[0] == "i" else 1], np.dtype({"bool": "?"}.get(n, n[0] + str(int(n[1:] or 8) // 8))))
        for n in ("i8", "u8", "i16", "u16")
    }
    buffers["bool"] = np.array([False, True])
    interpret.run(k.kernel(), buffers, {}, {}, 0, 1)
    for array in buffers.values():
        assert array[0] == array[1]


def test_interpreter_refuses_to_leave_a_buffer() -> None:
    x, y = np.zeros(19, np.float32), np.zeros(6, np.float32)
    with pytest.raises(KernelError, match=r"scaled_sum touches elements 19\.\.20 of x, which has 19"):
        interpret.run(scaled_sum().kernel(), {"x": x, "y": y}, {}, {"factor": 1.0}, 4, 5)
    with pytest.raises(KernelError, match="runs without factor"):
        interpret.run(scaled_sum().kernel(), {"x": x, "y": y}, {}, {}, 0, 1)


def test_interpreter_refuses_division_by_zero() -> None:
    k = KernelWriter("divide")
    z = k.buffer("z", "i32", "write")
    k.store(z, 0, k.let("one", 1, I32) // k.let("zero", 0, I32))
    with pytest.raises(KernelError, match="no result"):
        interpret.run(k.kernel(), {"z": np.zeros(1, np.int32)}, {}, {}, 0, 1)


Breaker = Callable[[KernelWriter], None]


def _undefined(k: KernelWriter) -> None:
    k.store("y", 0, Var("nowhere", F32))


def _out_of_scope(k: KernelWriter) -> None:
    with k.loop("i", 0, 3):
        inside = k.let("inside", 1.0, F32)
    k.store("y", 0, inside)


def _twice(k: KernelWriter) -> None:
    k.let("a", 1.0, F32)
    k._used.clear()
    k.let("a", 1.0, F32)


def _assigned_in_tile(k: KernelWriter) -> None:
    a = k.let("a", 1.0, F32)
    with k.tile("body"):
        k.assign(a, 2.0)


def _assigned_loop_variable(k: KernelWriter) -> None:
    with k.loop("i", 0, 3) as i:
        k.assign(i, 2)


def _mixed_types(k: KernelWriter) -> None:
    k.let("a", Binary("add", Const(1, I32), Const(1.0, F32)))


def _float_shift(k: KernelWriter) -> None:
    k.let("a", Binary("shl", Const(1.0, F32), Const(1.0, F32)))


def _unknown_operation(k: KernelWriter) -> None:
    k.let("a", Unary("cbrt", Const(1.0, F32)))


def _scalar_condition_of_vectors(k: KernelWriter) -> None:
    v = k.let("v", load("x", 0, F32.wide(4)))
    k.let("a", Select(Const(1.0, F32).lt(2.0), v, v))


def _foreign_pointer(k: KernelWriter) -> None:
    p = k.let("p", at("x", 0))
    k.store("y", p, Const(1.0, F32))


def _pointer_from_another_buffer(k: KernelWriter) -> None:
    p = k.let("p", at("x", 0))
    k.emit(Assign(p, at("y", 0)))


def _pointer_in_arithmetic(k: KernelWriter) -> None:
    p = k.let("p", at("x", 0))
    k.let("a", Binary("add", p, p))


def _store_into_readable(k: KernelWriter) -> None:
    k.store("x", 0, Const(1.0, F32))


def _load_from_writable(k: KernelWriter) -> None:
    k.let("a", load("y", 0, F32))


def _wrong_register(k: KernelWriter) -> None:
    k.emit(Store("y", Const(0, I32), 0, Const(1, I32)))


def _no_such_buffer(k: KernelWriter) -> None:
    k.let("a", Load("nothing", Const(0, I32), 0, F32))


def _no_such_lane(k: KernelWriter) -> None:
    k.let("a", Lane(load("x", 0, F32.wide(4)), 4))


def _too_large(k: KernelWriter) -> None:
    k.let("a", Const(2**31, I32))


def _undeclared_word(k: KernelWriter) -> None:
    k.let("a", Word("nothing", I32))


def _moved_by_float(k: KernelWriter) -> None:
    p = k.let("p", at("x", 0))
    k.emit(Assign(p, Moved(p, Const(1.0, F32))))


def _bits_of_another_size(k: KernelWriter) -> None:
    k.let("a", Bitcast(Const(1.0, F64), I32))


@pytest.mark.parametrize(
    ("breaker", "message"),
    [
        (_undefined, "nowhere is used where it is not defined"),
        (_out_of_scope, "inside is used where it is not defined"),
        (_twice, "a is introduced twice"),
        (_assigned_in_tile, "a is assigned where it is fixed"),
        (_assigned_loop_variable, "i is assigned where it is fixed"),
        (_mixed_types, "add of i32, f32"),
        (_float_shift, "shl of f32, f32"),
        (_unknown_operation, "'cbrt' is no operation"),
        (_scalar_condition_of_vectors, "boolx4 is needed"),
        (_foreign_pointer, "does not point into it"),
        (_pointer_from_another_buffer, "pointer p into 'x' is set from one into 'y'"),
        (_pointer_in_arithmetic, "add of pointer, pointer"),
        (_store_into_readable, "declared read and used to write"),
        (_load_from_writable, "declared write and used to read"),
        (_wrong_register, "needs f32"),
        (_no_such_buffer, "no buffer 'nothing'"),
        (_no_such_lane, "no such lane"),
        (_too_large, "does not fit i32"),
        (_undeclared_word, "word 'nothing' is not declared"),
        (_moved_by_float, "the distance of a move"),
        (_bits_of_another_size, "differ in size"),
    ],
)
def test_rule_is_kept(breaker: Breaker, message: str) -> None:
    k = KernelWriter("broken")
    k.buffer("x", "f32", "read")
    k.buffer("y", "f32", "write")
    breaker(k)
    with pytest.raises(KernelError, match=f"Kernel broken: .*{message}"):
        verify(k.kernel())


def test_a_sound_kernel_passes() -> None:
    verify(scaled_sum().kernel())
