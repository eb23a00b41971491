"""Loads and stores in WGSL: what lies in memory differs from what registers hold."""

from dataclasses import dataclass

from intab.kernels.ir import I32, Binary, Const, Expr, Kernel, Load, Store, Type, binary, expressions, walk, walk_expr
from intab.kernels.wgsl.layout import stored_as
from intab.kernels.wgsl.types import rounding_function, type_text, vector_text
from intab.target import Target

_WIDTHS = {"bool": 8, "u8": 8, "u16": 16, "i8": 8, "i16": 16}


@dataclass(frozen=True, slots=True)
class Memory:
    """How one buffer or shared array lies in memory: `element` is WGSL's type of its elements, `vector` as in `Buffer`.

    Places count vectors where there are any, and begin at `start`, an expression's text, if that is not zero.
    """

    name: str
    dtype: str
    element: str
    vector: int
    start: str

    @property
    def array_type(self) -> str:
        return vector_text(self.element, self.vector)

    def offset(self, elements: int) -> int:
        """A distance, of elements, in places."""
        return elements // self.vector

    def distance(self, elements: Expr) -> Expr:
        """A distance in places, of an expression that is a multiple of the vector's lanes."""
        return elements if self.vector == 1 else _divided(elements, self.vector)

    def loaded(self, text: str, type: Type) -> str:
        """A register of what `text` reads from memory."""
        register = type_text(type)
        return text if register == vector_text(self.element, type.lanes) else f"{register}({text})"

    def stored(self, text: str, type: Type) -> str:
        """What memory holds of a register; what is too large for the dtype wraps, as it does elsewhere."""
        memory, width = vector_text(self.element, type.lanes), _WIDTHS.get(self.dtype)
        if self.dtype == "f16":
            return f"{memory}({text})" if self.element == "f16" else f"{rounding_function(type.lanes)}({text})"
        if width is None:
            return text
        return f"extractBits({text if self.element == 'i32' else f'{memory}({text})'}, 0u, {width}u)"


def memories(kernel: Kernel, target: Target) -> dict[str, Memory]:
    """How each buffer of a kernel lies in memory, by name."""
    starts = {buffer.name: f"o_{buffer.name}" for buffer in kernel.buffers}
    return {
        m.name: Memory(m.name, m.dtype, stored_as(m.dtype, target).name, m.vector, starts.get(m.name, ""))
        for m in kernel.memories
    }


def _divided(expr: Expr, by: int) -> Expr:
    """expr / by, of an expression that is a multiple of `by`: constants are divided now, all else by a shift."""
    match expr:
        case Const(value=value) if value % by == 0:
            return Const(value // by, I32)
        case Binary(op="mul", left=left, right=Const(value=value)) if value % by == 0:
            return binary("mul", left, int(value) // by)
        case Binary(op="add", left=left, right=Const(value=value)) if value % by == 0:
            return binary("add", _divided(left, by), int(value) // by)
    return Binary("shr", expr, Const(by.bit_length() - 1, I32))


def load_function(buffer: str, lanes: int) -> str:
    """The name of the function that loads a vector."""
    return f"load{lanes}_{buffer}"


def store_function(buffer: str, lanes: int) -> str:
    """The name of the function that stores one."""
    return f"store{lanes}_{buffer}"


def access_functions(kernel: Kernel, memory: dict[str, Memory]) -> list[str]:
    """Functions for the vector loads and stores: arrays of scalars need no alignment."""
    loads: dict[tuple[str, int], Type] = {}
    stores: dict[tuple[str, int], Type] = {}
    for stmt in walk(kernel.body):
        for outer in expressions(stmt):
            for expr in walk_expr(outer):
                if isinstance(expr, Load) and expr.type.lanes != memory[expr.buffer].vector:
                    loads[expr.buffer, expr.type.lanes] = expr.type
        if isinstance(stmt, Store) and stmt.value.type.lanes != memory[stmt.buffer].vector:
            stores[stmt.buffer, stmt.value.type.lanes] = stmt.value.type
    return [
        *(_load_text(memory[name], type) for (name, _), type in sorted(loads.items())),
        *(_store_text(memory[name], type) for (name, _), type in sorted(stores.items())),
    ]


def _load_text(memory: Memory, type: Type) -> str:
    register, name = type_text(type), memory.name
    parts = ", ".join(memory.loaded(f"b_{name}[i + {lane}]", type.wide(1)) for lane in range(type.lanes))
    return f"fn {load_function(name, type.lanes)}(i: i32) -> {register} {{ return {register}({parts}); }}"


def _store_text(memory: Memory, type: Type) -> str:
    values = (memory.stored(f"v.{letter}", type.wide(1)) for letter in "xyzw"[: type.lanes])
    parts = " ".join(f"b_{memory.name}[i + {lane}] = {value};" for lane, value in enumerate(values))
    return f"fn {store_function(memory.name, type.lanes)}(i: i32, v: {type_text(type)}) {{ {parts} }}"
