"""One kernel, or one of its tiles, as the code of a WebAssembly function.

A kernel becomes a function (parameters: i32 address of its words, i32 first item, i32 end of items). Buffer
words are byte addresses by then; they and the other words are loaded into locals on entry. A tile becomes a
function of its own whose parameters are the outer variables that it uses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from intab.dtypes import DTYPES
from intab.errors import KernelError
from intab.kernels import ir
from intab.kernels.ir import Expr, Kernel, Stmt, Type, Var
from intab.kernels.wasm import encoding as wasm
from intab.kernels.wasm import halves
from intab.kernels.wasm import instructions as code
from intab.kernels.wasm.encoding import Function, Signature, signed, unsigned
from intab.kernels.wasm.frame import GET, SET, VECTOR_LANES, Frame, value_type
from intab.target import Target

KERNEL_SIGNATURE = Signature((wasm.I32, wasm.I32, wasm.I32))
_WORDS, _BEGIN, _END = range(3)  # the slots of a kernel's parameters
_ITEM = Type("i32")


@dataclass(slots=True)
class Functions:
    """The functions of a module so far; `add` gives back the new one's index."""

    items: list[Function] = field(default_factory=list)

    def add(self, function: Function) -> int:
        self.items.append(function)
        return len(self.items) - 1


def kernel_function(kernel: Kernel, target: Target, functions: Functions) -> int:
    """Add a kernel and its tiles to a module; returns the kernel's function index."""
    words = {buffer.name: (place, _ITEM) for place, buffer in enumerate(kernel.buffers)}
    words |= {word.name: (len(words) + place, word.type) for place, word in enumerate(kernel.words)}

    writer = _Kernel(kernel, target, functions, words)
    item = writer.declare(kernel.item.name, _ITEM)
    writer.counted(item, lambda: writer.get(_BEGIN), lambda: writer.get(_END), 1, kernel.body)
    writer.load_words()
    return functions.add(writer.function(KERNEL_SIGNATURE))


class _Writer(Frame):
    """Writes the code of one function."""

    def __init__(
        self,
        kernel: Kernel,
        target: Target,
        functions: Functions,
        type_outside: Callable[[str], Type],
        parameters: tuple[int, ...] = (),
    ) -> None:
        super().__init__(type_outside, parameters)
        self.kernel = kernel
        self.relaxed = target.has("relaxed-simd")
        self.target = target
        self.functions = functions
        self.dtypes = {buffer.name: buffer.dtype for buffer in kernel.buffers}
        # Within an innermost loop, the slots of its vector constants.
        self.constants: dict[tuple[Type, float], int] | None = None

    # -- statements

    def body(self, body: tuple[Stmt, ...]) -> None:
        for stmt in body:
            self.statement(stmt)

    def statement(self, stmt: Stmt) -> None:
        _WRITE_STATEMENT[type(stmt)](self, stmt)

    def let(self, stmt: ir.Let) -> None:
        self.expr(stmt.value)
        self.set(self.declare(stmt.var.name, stmt.var.type))

    def assign(self, stmt: ir.Assign) -> None:
        self.expr(stmt.value)
        self.set(self.local(stmt.var.name))

    def loop(self, stmt: ir.Loop) -> None:
        index = self.declare(stmt.var.name, stmt.var.type)
        self.counted(index, lambda: self.expr(stmt.begin), lambda: self.expr(stmt.end), stmt.step, stmt.body)

    def branch(self, stmt: ir.If) -> None:
        self.expr(stmt.condition)
        self.out.append(b"\x04\x40")
        self.body(stmt.then)
        if stmt.otherwise:
            self.out.append(b"\x05")
            self.body(stmt.otherwise)
        self.out.append(b"\x0b")

    def counted(
        self, index: int, begin: Callable[[], None], end: Callable[[], None], step: int, body: tuple[Stmt, ...]
    ) -> None:
        """index = begin; if index < end: constants; do: body; index += step; while index < end"""
        limit = self.temporary(wasm.I32)
        begin()
        self.set(index)
        end()
        self.tee(limit)
        self.get(index)
        self.out.append(b"\x4a\x04\x40")  # i32.gt_s, if
        place = len(self.out)
        self.out.append(b"\x03\x40")  # loop
        # An engine makes a vector constant anew wherever it stands, three instructions on x86; a local that is set
        # before the loop costs one load at most. Inner loops have their own, and tiles are functions of their own.
        self.constants = None if _has_inner(body) else {}
        self.body(body)
        for (type_, value), slot in (self.constants or {}).items():
            self.out[place:place] = [_vector(type_, value), 3 * slot + SET]
        self.constants = None
        self.get(index)
        self.out.append(b"\x41" + signed(step) + b"\x6a")
        self.tee(index)
        self.get(limit)
        self.out.append(b"\x48\x0d\x00\x0b\x0b")  # i32.lt_s, br_if 0, end, end

    def tile(self, tile: ir.Tile) -> None:
        inner = _Writer(self.kernel, self.target, self.functions, self.type_of)
        inner.body(tile.body)
        number = self.functions.add(inner.function())
        for name in inner.captured:
            self.get(self.local(name))
        self.out.append(b"\x10" + unsigned(number))

    # -- memory

    def address(self, buffer: str, index: Expr, offset: int) -> int:
        """Put the byte address of an access on the stack, return the constant part for the instruction."""
        itemsize = DTYPES[self.dtypes[buffer]].itemsize
        constant = offset
        if isinstance(index, Var) and index.type.scalar == "pointer":
            self.get(self.local(index.name))
        else:
            if isinstance(index, ir.Binary) and index.op == "add" and isinstance(index.right, ir.Const):
                constant, index = offset + int(index.right.value), index.left
            self.get(self.local(buffer))
            self.scaled(index, itemsize)
            self.out.append(b"\x6a")
        if constant < 0:  # immediates are unsigned
            self.out.append(b"\x41" + signed(constant * itemsize) + b"\x6a")
            return 0
        return constant * itemsize

    def scaled(self, index: Expr, itemsize: int) -> None:
        """index * itemsize on the stack."""
        if isinstance(index, ir.Const):
            self.out.append(b"\x41" + signed(int(index.value) * itemsize))
            return
        self.expr(index)
        if itemsize > 1:
            self.out.append(b"\x41" + signed(itemsize.bit_length() - 1) + b"\x74")

    def load(self, expr: ir.Load) -> None:
        dtype = self.dtypes[expr.buffer]
        immediate = unsigned(self.address(expr.buffer, expr.index, expr.offset))
        if dtype == "f16":
            self.load_half(immediate, expr.type.lanes)
        elif expr.type.lanes == 1:
            instruction, _, align = code.SCALAR_MEMORY[dtype]
            self.out.append(instruction + unsigned(align) + immediate)
        elif expr.type.scalar == "i16":
            self.out.append(code.LOAD_HALVES[dtype] + b"\x00" + immediate)
        elif dtype in code.WIDEN_BYTES:
            self.out.append(code.V128_LOAD32_ZERO + b"\x00" + immediate + code.WIDEN_BYTES[dtype])
        else:
            value_type(expr.type)
            self.out.append(code.V128_LOAD + b"\x02" + immediate)

    def store(self, stmt: ir.Store) -> None:
        dtype = self.dtypes[stmt.buffer]
        immediate = unsigned(self.address(stmt.buffer, stmt.index, stmt.offset))
        self.expr(stmt.value)
        type_ = stmt.value.type
        if dtype == "f16":
            self.store_half(immediate, type_)
        elif type_.lanes == 1:
            _, instruction, align = code.SCALAR_MEMORY[dtype]
            self.out.append(instruction + unsigned(align) + immediate)
        elif type_.scalar == "i16":
            self.out.append(code.V128_ZERO + code.SATURATE_TO_BYTES[dtype])
            self.out.append(code.V128_STORE64_LANE + b"\x00" + immediate + b"\x00")
        elif dtype in code.WIDEN_BYTES:
            mask = 1 if type_.scalar == "bool" else 0xFF
            self.constant(ir.Const(mask, Type("i32", VECTOR_LANES)))
            self.out.append(code.V128_AND + code.NARROW_TO_BYTES)
            self.out.append(code.V128_STORE32_LANE + b"\x00" + immediate + b"\x00")
        else:
            self.out.append(code.V128_STORE + b"\x02" + immediate)

    def load_half(self, immediate: bytes, lanes: int) -> None:
        """16-bit floats at the address on the stack as f32."""
        if lanes == 1:
            self.out.append(code.SCALAR_MEMORY["u16"][0] + b"\x01" + immediate)
        else:
            self.out.append(code.V128_LOAD64_ZERO + b"\x01" + immediate + code.WIDEN_HALVES)
        self.expr(halves.wide(self.keep("%half", Type("i32", lanes))))

    def store_half(self, immediate: bytes, type: Type) -> None:
        """Store the f32 on the stack as 16-bit floats at the address below it."""
        value = self.keep("%value", type)
        self.expr(halves.rounded_sum(value))
        rounded = self.keep("%rounded", Type("i32", type.lanes))
        self.expr(halves.narrow(value, rounded))
        if type.lanes == 1:
            self.out.append(code.SCALAR_MEMORY["u16"][1] + b"\x01" + immediate)
        else:
            self.out.append(code.NARROW_TO_HALVES + code.V128_STORE64_LANE + b"\x01" + immediate + b"\x00")

    def keep(self, name: str, type: Type) -> Var:
        """Take what is on the stack into a variable of the generator's own; its name is none that kernels have."""
        var = Var(f"{name}x{type.lanes}", type)
        self.set(self.known[var.name][0] if var.name in self.known else self.declare(var.name, type))
        return var

    # -- expressions

    def expr(self, expr: Expr) -> None:
        """Put the value of an expression on the stack."""
        _WRITE_EXPRESSION[type(expr)](self, expr)

    def variable(self, expr: Var | ir.Word) -> None:
        self.get(self.local(expr.name))

    def constant(self, expr: ir.Const) -> None:
        scalar, value = expr.type.scalar, expr.value
        if expr.type.lanes > 1:
            if self.constants is None or value == 0:  # zero is cheap to make
                self.out.append(_vector(expr.type, value))
            else:
                if (expr.type, value) not in self.constants:
                    self.constants[expr.type, value] = self.temporary(value_type(expr.type))
                self.get(self.constants[expr.type, value])
        elif scalar == "f32":
            self.out.append(b"\x43" + wasm.float32(value))
        elif scalar == "f64":
            self.out.append(b"\x44" + wasm.float64(value))
        elif scalar == "i64":
            self.out.append(b"\x42" + signed(int(value)))
        else:
            self.out.append(b"\x41" + signed((int(value) + 0x80000000 & 0xFFFFFFFF) - 0x80000000))

    def dot_pairs(self, expr: ir.DotPairs) -> None:
        self.expr(expr.left)
        self.expr(expr.right)
        self.out.append(code.I32X4_DOT_I16X8_S)

    def dot_bytes(self, expr: ir.DotBytes) -> None:
        raise KernelError(f"Kernel {self.kernel.name}: WebAssembly multiplies bytes in pairs, see DotPairs.")

    def spread(self, expr: ir.Spread) -> None:
        raise KernelError(f"Kernel {self.kernel.name}: WebAssembly loads bytes as they lie, and spreads no words.")

    def narrow(self, expr: ir.Narrow) -> None:
        self.expr(expr.left)
        self.expr(expr.right)
        self.out.append(code.I16X8_NARROW_I32X4_S)

    def widen(self, expr: ir.Widen) -> None:
        self.expr(expr.operand)
        self.out.append(code.EXTEND_HALF[expr.last])

    def bitcast(self, expr: ir.Bitcast) -> None:
        self.expr(expr.operand)
        if expr.type.lanes == 1:
            self.out.append(code.BITCAST[expr.operand.type.scalar, expr.type.scalar])

    def lane(self, expr: ir.Lane) -> None:
        self.expr(expr.operand)
        self.out.append(code.EXTRACT_LANE[expr.operand.type.scalar] + bytes((expr.index,)))

    def pick(self, expr: ir.Pick) -> None:
        self.expr(expr.left)
        self.expr(expr.right)
        self.out.append(code.I8X16_SHUFFLE + bytes(4 * lane + byte for lane in expr.lanes for byte in range(4)))

    def at(self, expr: ir.At) -> None:
        immediate = self.address(expr.buffer, expr.index, 0)
        if immediate:
            self.out.append(b"\x41" + signed(immediate) + b"\x6a")

    def moved(self, expr: ir.Moved) -> None:
        self.get(self.local(expr.pointer.name))
        self.scaled(expr.elements, DTYPES[self.dtypes[expr.pointer.buffer]].itemsize)
        self.out.append(b"\x6a")

    def unary(self, expr: ir.Unary) -> None:
        type_ = expr.type
        table = code.SCALAR_UNARY if type_.lanes == 1 else code.VECTOR_UNARY
        instruction = table.get(type_.scalar, {}).get(expr.op)
        if instruction is not None:
            self.expr(expr.operand)
            self.out.append(instruction)
            return
        zero, ones = ir.Const(0, type_), ir.Const(-1, type_)
        match expr.op:
            case "neg":
                self.binary(ir.Binary("sub", zero, expr.operand))
            case "not":
                self.binary(ir.Binary("xor", expr.operand, ones))
            case "abs":
                negative = ir.Binary("lt", expr.operand, zero)
                self.select(ir.Select(negative, ir.Binary("sub", zero, expr.operand), expr.operand))
            case _:
                raise KernelError(f"WebAssembly has no {expr.op} for {type_}.")

    def binary(self, expr: ir.Binary) -> None:
        type_, op = expr.left.type, expr.op
        if type_.lanes == 1:
            self.scalar_binary(expr)
            return
        instruction = code.VECTOR_BINARY[type_.scalar].get(op)
        if instruction is None:
            raise KernelError(f"WebAssembly has no {op} for {type_}.")
        left, right = expr.left, expr.right
        if type_.scalar == "f32" and op in code.VECTOR_PSEUDO_EXTREMES:
            if isinstance(left, ir.Const):
                left, right = right, left
            if isinstance(right, ir.Const):
                instruction = code.VECTOR_PSEUDO_EXTREMES[op]
        self.expr(left)
        if op in ("shl", "shr"):
            self.shift_count(right)
        else:
            self.expr(right)
        self.out.append(instruction)

    def scalar_binary(self, expr: ir.Binary) -> None:
        type_ = expr.left.type
        instruction = code.SCALAR_BINARY[type_.scalar].get(expr.op)
        if instruction is not None:
            self.expr(expr.left)
            self.expr(expr.right)
            self.out.append(instruction)
        elif expr.op in ("min", "max"):
            left, right = self.temporary(value_type(type_)), self.temporary(value_type(type_))
            self.expr(expr.left)
            self.tee(left)
            self.expr(expr.right)
            self.tee(right)
            self.get(left)
            self.get(right)
            self.out.append(code.SCALAR_BINARY[type_.scalar]["lt" if expr.op == "min" else "gt"] + b"\x1b")
        else:
            raise KernelError(f"WebAssembly has no {expr.op} for {type_}.")

    def shift_count(self, expr: Expr) -> None:
        """Vector shifts take one scalar count."""
        match expr:
            case ir.Const(value=value):
                self.out.append(b"\x41" + signed(int(value)))
            case ir.Splat(operand=operand):
                self.expr(operand)
            case _:
                raise KernelError("WebAssembly shifts every lane of a vector by the same count: a Const or a Splat.")

    def fma(self, expr: ir.Fma) -> None:
        table = code.SCALAR_BINARY if expr.type.lanes == 1 else code.VECTOR_BINARY
        self.expr(expr.factor)
        self.expr(expr.other)
        if expr.type.lanes > 1 and self.relaxed:
            self.expr(expr.addend)
            self.out.append(code.F32X4_RELAXED_MADD)
        else:
            self.out.append(table[expr.type.scalar]["mul"])
            self.expr(expr.addend)
            self.out.append(table[expr.type.scalar]["add"])

    def select(self, expr: ir.Select) -> None:
        then, otherwise, condition = expr.then, expr.otherwise, expr.condition
        type_ = then.type
        is_vector = type_.scalar == "f32" and type_.lanes > 1
        if is_vector and isinstance(condition, ir.Binary) and condition.op == "lt":
            # x < y ? y : x is one instruction, pmax(x, y), and x < y ? x : y is pmin(y, x).
            for op, first in (("max", otherwise), ("min", then)):
                second = then if op == "max" else otherwise
                if condition.left == first and condition.right == second:
                    self.expr(otherwise)
                    self.expr(then)
                    self.out.append(code.VECTOR_PSEUDO_EXTREMES[op])
                    return
        self.expr(then)
        self.expr(otherwise)
        self.expr(condition)
        self.out.append(b"\x1b" if type_.lanes == 1 else code.V128_BITSELECT)

    def cast(self, expr: ir.Cast) -> None:
        operand, type_ = expr.operand, expr.type
        source, wanted = operand.type.scalar, type_.scalar
        if source == wanted:
            self.expr(operand)
        elif wanted == "bool":
            self.binary(ir.Binary("ne", operand, ir.Const(0, operand.type)))
        elif type_.lanes == 1:
            self.expr(operand)
            self.out.append(code.SCALAR_CAST[source, wanted])
        elif source == "bool":
            self.expr(operand)
            self.constant(ir.Const(1, type_))
            self.out.append(code.V128_AND)
        else:
            self.expr(operand)
            self.out.append(code.VECTOR_CAST[source, wanted])

    def splat(self, expr: ir.Splat) -> None:
        operand = expr.operand
        value_type(expr.type)
        if isinstance(operand, ir.Load) and self.dtypes[operand.buffer] in ("f32", "i32", "u32"):
            immediate = unsigned(self.address(operand.buffer, operand.index, operand.offset))
            self.out.append(code.V128_LOAD32_SPLAT + b"\x02" + immediate)
            return
        self.expr(operand)
        if operand.type.scalar == "bool":
            self.out.append(b"\x45\x41\x01\x6b")  # eqz, minus one: all bits of a true lane are set
        self.out.append(code.SPLAT["i32" if operand.type.scalar == "bool" else operand.type.scalar])


class _Kernel(_Writer):
    """Writes a kernel's own function. What its body uses of buffers and words is loaded on entry."""

    def __init__(
        self, kernel: Kernel, target: Target, functions: Functions, words: Mapping[str, tuple[int, Type]]
    ) -> None:
        """`words`: place in the parameter block and type of each buffer and word."""
        super().__init__(kernel, target, functions, self._type_of_word, KERNEL_SIGNATURE.parameters)
        self._words = words
        self._used: list[tuple[int, int, Type]] = []

    def load_words(self) -> None:
        """Begin with loading the words that the code so far uses."""
        loads: list[bytes | int] = []
        for place, slot, type_ in sorted(self._used, key=lambda used: used[0]):
            load = b"\x2a\x02" if type_.scalar == "f32" else b"\x28\x02"
            loads += [3 * _WORDS + GET, load + unsigned(4 * place), 3 * slot + SET]
        self.out[:0] = loads

    def _type_of_word(self, name: str) -> Type:
        if name not in self._words:
            raise KernelError(f"Kernel {self.kernel.name} uses {name!r} before it has a value.")
        return self._words[name][1]

    def _capture(self, name: str) -> int:
        slot = self.declare(name, self._type_of_word(name))
        self._used.append((self._words[name][0], slot, self._words[name][1]))
        return slot


def _has_inner(body: tuple[Stmt, ...]) -> bool:
    """Whether a loop or a tile is inside a body."""
    for stmt in body:
        kind = type(stmt)
        if kind is ir.Loop or kind is ir.Tile:
            return True
        if isinstance(stmt, ir.If) and (_has_inner(stmt.then) or _has_inner(stmt.otherwise)):
            return True
    return False


def _vector(type: Type, value: float) -> bytes:
    """The instruction that makes a vector with one number in all lanes."""
    if type.scalar == "f32":
        lane = wasm.float32(value)
    elif type.scalar == "bool":
        lane = b"\xff\xff\xff\xff" if value else bytes(4)
    else:
        lane = (int(value) & 0xFFFFFFFF).to_bytes(4, "little")
    return code.V128_CONST + lane * type.lanes


# Looked up by class: a chain of tests for each of some ten thousand expressions takes several times as long.
_WRITE_EXPRESSION: Mapping[type, Callable[[_Writer, Any], None]] = {
    ir.Const: _Writer.constant,
    ir.Var: _Writer.variable,
    ir.Word: _Writer.variable,
    ir.Unary: _Writer.unary,
    ir.Binary: _Writer.binary,
    ir.Fma: _Writer.fma,
    ir.DotPairs: _Writer.dot_pairs,
    ir.DotBytes: _Writer.dot_bytes,
    ir.Spread: _Writer.spread,
    ir.Narrow: _Writer.narrow,
    ir.Widen: _Writer.widen,
    ir.Select: _Writer.select,
    ir.Cast: _Writer.cast,
    ir.Bitcast: _Writer.bitcast,
    ir.Splat: _Writer.splat,
    ir.Lane: _Writer.lane,
    ir.Pick: _Writer.pick,
    ir.Load: _Writer.load,
    ir.At: _Writer.at,
    ir.Moved: _Writer.moved,
}
_WRITE_STATEMENT: Mapping[type, Callable[[_Writer, Any], None]] = {
    ir.Let: _Writer.let,
    ir.Assign: _Writer.assign,
    ir.Store: _Writer.store,
    ir.Loop: _Writer.loop,
    ir.If: _Writer.branch,
    ir.Tile: _Writer.tile,
}
