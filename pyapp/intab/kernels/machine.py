"""The interpreter's machine: values of expressions and effects of statements in numpy, every access checked.

Scalars are numpy scalars and vectors are arrays [lanes] of the register's dtype, so f32 arithmetic rounds after
each operation. `Fma` rounds twice here. Expressions work on arrays too, with lanes as the last axis.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from intab.dtypes import DTYPES
from intab.errors import KernelError
from intab.kernels.ir import (
    COMPARISONS,
    I16X8,
    Assign,
    At,
    Binary,
    Bitcast,
    Cast,
    Combined,
    Const,
    DotBytes,
    DotPairs,
    Expr,
    Fma,
    FromMember,
    If,
    Kernel,
    Lane,
    Let,
    Load,
    Loop,
    Moved,
    Narrow,
    Pick,
    Select,
    Splat,
    Spread,
    Stmt,
    Store,
    Tile,
    Unary,
    Var,
    Widen,
    Word,
)

# A value is a numpy scalar, an array of lanes, or the (buffer, element index) of a pointer.
Value = Any
Array = NDArray[Any]

# Any, since numpy types a dtype known only at run time as object.
NUMPY: dict[str, Any] = {
    "i16": np.dtype(np.int16),
    "i32": np.dtype(np.int32),
    "u32": np.dtype(np.uint32),
    "f32": np.dtype(np.float32),
    "i64": np.dtype(np.int64),
    "f64": np.dtype(np.float64),
    "bool": np.dtype(np.bool_),
}
_UNARY: dict[str, Callable[[Value], Value]] = {
    "neg": np.negative,
    "abs": np.abs,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "nearest": np.rint,
    "sqrt": np.sqrt,
    "not": np.invert,
}
_BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


class Machine:
    """Runs the items of a verified kernel over `buffers`, 1-D arrays of the declared dtypes."""

    def __init__(
        self, kernel: Kernel, buffers: Mapping[str, Array], offsets: Mapping[str, int], words: Mapping[str, float]
    ) -> None:
        self.kernel = kernel
        missing = [n for n in (b.name for b in kernel.buffers) if n not in buffers]
        missing += [w.name for w in kernel.words if w.name not in words]
        if missing:
            raise KernelError(f"Kernel {kernel.name} runs without {', '.join(missing)}.")
        self.arrays = {b.name: self._elements(b.dtype, buffers[b.name]) for b in kernel.buffers}
        self._starts = {memory.name: int(offsets.get(memory.name, 0)) for memory in kernel.memories}
        self._vectors = {memory.name: memory.vector for memory in kernel.memories}
        self._words = {w.name: NUMPY[w.type.scalar].type(words[w.name]) for w in kernel.words}

    def _elements(self, dtype: str, array: Array) -> Array:
        if array.dtype != DTYPES[dtype].numpy or array.ndim != 1:
            raise KernelError(f"Kernel {self.kernel.name} needs a 1-D {dtype} array, not {array.dtype} {array.shape}.")
        return array.view(np.uint8) if dtype == "bool" else array

    def run_item(self, item: int) -> None:
        self._body(self.kernel.body, {self.kernel.item.name: np.int32(item)})

    def _body(self, body: tuple[Stmt, ...], known: dict[str, Value]) -> None:
        for stmt in body:
            self.statement(stmt, known)

    def statement(self, stmt: Stmt, known: dict[str, Value]) -> None:
        """Do what one statement says, with all that lies inside it."""
        match stmt:
            case Let(var=var, value=value) | Assign(var=var, value=value):
                known[var.name] = self.value(value, known)
            case Store():
                self.store(stmt, known)
            case Loop():
                begin, end = (int(self.value(bound, known)) for bound in (stmt.begin, stmt.end))
                for index in range(begin, end, stmt.step):
                    known[stmt.var.name] = np.int32(index)
                    self._body(stmt.body, known)
            case If():
                self._body(stmt.then if self.value(stmt.condition, known) else stmt.otherwise, known)
            case Tile():
                self._body(stmt.body, known)
            case _:
                raise KernelError(f"One invocation alone cannot do {stmt!r}.")

    def value(self, expr: Expr, known: Mapping[str, Value]) -> Value:
        """An expression's value, given the variables known so far."""
        match expr:
            case Const():
                return _constant(expr)
            case Word():
                return self._words[expr.name]
            case Var():
                return known[expr.name]
            case Unary():
                return _UNARY[expr.op](self.value(expr.operand, known))
            case Binary():
                left, right = self.value(expr.left, known), self.value(expr.right, known)
                return _calculated(expr.op, expr.left.type.scalar, left, right)
            case Fma():
                product = np.multiply(self.value(expr.factor, known), self.value(expr.other, known))
                return np.add(product, self.value(expr.addend, known))
            case DotPairs():
                left, right = self.value(expr.left, known), self.value(expr.right, known)
                products = left.astype(np.int32) * right.astype(np.int32)
                return products.reshape(-1, 2).sum(1, dtype=np.int32)
            case DotBytes():
                width = np.int8 if expr.signed else np.uint8
                sides = (np.asarray(self.value(side, known))[..., None] for side in (expr.left, expr.right))
                return np.multiply(*(side.view(width).astype(np.int32) for side in sides)).sum(-1, dtype=np.int32)
            case Spread():
                words = np.asarray(self.value(expr.operand, known), np.int64)[..., None]
                numbers = (words >> np.arange(0, 4 * expr.bits, expr.bits)) & ((1 << expr.bits) - 1)
                half = 1 << (expr.bits - 1)
                return ((numbers ^ half) - half if expr.signed else numbers).astype(np.int32)
            case Narrow():
                eight = np.concatenate((self.value(expr.left, known), self.value(expr.right, known)))
                return np.clip(eight, -(2**15), 2**15 - 1).astype(np.int16)
            case Widen():
                return self.value(expr.operand, known)[4 * expr.last :][:4].astype(np.int32)
            case Select():
                condition, then = self.value(expr.condition, known), self.value(expr.then, known)
                otherwise = self.value(expr.otherwise, known)
                if expr.condition.type.lanes < expr.type.lanes:
                    condition = np.asarray(condition)[..., None]
                return np.asarray(np.where(condition, then, otherwise))[()]
            case Cast():
                return _cast(self.value(expr.operand, known), expr.type.scalar)
            case Bitcast():
                return self.value(expr.operand, known).view(NUMPY[expr.type.scalar])
            case Splat():
                return np.repeat(np.asarray(self.value(expr.operand, known))[..., None], expr.lanes, -1)
            case Lane():
                return self.value(expr.operand, known)[..., expr.index][()]
            case Pick():
                both = np.broadcast_arrays(self.value(expr.left, known), self.value(expr.right, known))
                return np.concatenate(both, -1)[..., list(expr.lanes)]
            case Load():
                return self.load(expr, known)
            case FromMember() | Combined():
                return known[exchange_key(expr)]
            case At():
                return self._pointer(expr.buffer, int(self.value(expr.index, known)))
            case Moved():
                buffer, index = self.value(expr.pointer, known)
                return self._pointer(buffer, index + int(self.value(expr.elements, known)))

    def store(self, stmt: Store, known: Mapping[str, Value]) -> None:
        value, array = self.value(stmt.value, known), self.arrays[stmt.buffer]
        if stmt.value.type == I16X8:
            value = np.clip(value, *_limits(array))
        array[self.place(stmt, stmt.value.type.lanes, known)] = np.atleast_1d(value).astype(array.dtype)

    def load(self, expr: Load, known: Mapping[str, Value]) -> Value:
        lanes = expr.type.lanes
        loaded = self.arrays[expr.buffer][self.place(expr, lanes, known)].astype(NUMPY[expr.type.scalar])
        return loaded if lanes > 1 else loaded[0]

    def _pointer(self, buffer: str, index: int) -> Value:
        self._check_aligned(buffer, index)
        return (buffer, index)

    def _check_aligned(self, name: str, element: int) -> None:
        vector = self._vectors[name]
        if element % vector:
            raise KernelError(f"Kernel {self.kernel.name} goes to element {element} of {name}, not one in {vector}.")

    def place(self, access: Load | Store, lanes: int, known: Mapping[str, Value]) -> slice:
        """The elements of its array that an access touches."""
        name, found = access.buffer, self.value(access.index, known)
        index = int(found[1] if isinstance(found, tuple) else found) + access.offset
        first, size = self._starts[name] + index, self.arrays[name].size
        if not 0 <= first <= first + lanes <= size:
            raise KernelError(
                f"Kernel {self.kernel.name} touches elements {first}..{first + lanes} of {name}, which has {size}."
            )
        self._check_aligned(name, first)
        self._check_aligned(name, index)
        return slice(first, first + lanes)


def exchange_key(expr: FromMember | Combined) -> str:
    """The name under which the known values hold what an exchange gave; no variable has it."""
    return f"@{id(expr)}"


def _limits(array: Array) -> tuple[int, int]:
    limits = np.iinfo(array.dtype.name)
    return int(limits.min), int(limits.max)


def _constant(const: Const) -> Value:
    scalar = NUMPY[const.type.scalar].type(const.value)
    return np.full(const.type.lanes, scalar) if const.type.lanes > 1 else scalar


def _calculated(op: str, scalar: str, left: Value, right: Value) -> Value:
    plain = _BINARY.get(op)
    if plain is not None:
        result = plain(left, right)
        return result if op in COMPARISONS else result.astype(NUMPY[scalar])
    if op in ("shl", "shr"):
        # WebAssembly takes the count modulo the width.
        count = np.bitwise_and(right, NUMPY[scalar].type(NUMPY[scalar].itemsize * 8 - 1))
        return np.left_shift(left, count) if op == "shl" else np.right_shift(left, count)
    if scalar in ("f32", "f64"):
        return np.divide(left, right)
    return _integer_quotient(op, left, right)


def _integer_quotient(op: str, left: Value, right: Value) -> Value:
    least = np.iinfo(left.dtype).min
    if np.any(right == 0) or (op == "div" and least < 0 and np.any((left == least) & (right == -1))):
        raise KernelError(f"An integer {op} of {left} by {right} has no result.")
    remainder = np.fmod(left, right)
    return remainder if op == "rem" else np.floor_divide(left - remainder, right)


def _cast(value: Value, scalar: str) -> Value:
    target = NUMPY[scalar]
    if value.dtype.kind != "f" or scalar in ("f32", "f64"):
        return value.astype(target)
    if scalar == "bool":
        return np.not_equal(value, 0)
    bounds = np.iinfo(target)
    whole = np.trunc(np.where(np.isnan(value), 0, value).astype(np.float64))
    inside = np.clip(whole, float(bounds.min), float(np.nextafter(float(bounds.max) + 1.0, 0)))
    # Floats jump over the largest integers, so what lies beyond them is put in by hand.
    result: Array = np.where(whole >= float(bounds.max), bounds.max, inside.astype(np.int64)).astype(target)
    return result[()]
