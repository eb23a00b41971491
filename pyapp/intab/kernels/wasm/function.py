"""One kernel, or one of its tiles, as the code of a WebAssembly function.

A kernel becomes a function (parameters: i32 address of its words, i32 first item, i32 end of items). Buffer
words are byte addresses by then; they and the other words are loaded into locals on entry. A tile becomes a
function of its own whose parameters are the outer variables that it uses.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from intab.dtypes import DTYPES
from intab.errors import KernelError
from intab.kernels import ir
from intab.kernels.ir import Expr, Kernel, Stmt, Type, Var
from intab.kernels.wasm import encoding as wasm
from intab.kernels.wasm import halves
from intab.kernels.wasm import instructions as code
from intab.kernels.wasm.constants import Key, loop_constants
from intab.kernels.wasm.encoding import Function, Signature, signed, unsigned
from intab.target import Target

KERNEL_SIGNATURE = Signature((wasm.I32, wasm.I32, wasm.I32))
VECTOR_LANES = 4
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
    writer = _Writer(kernel, target, functions, parameters=3)
    used = _names(kernel.body, writer.used_by_tiles)
    for position, name in enumerate([b.name for b in kernel.buffers] + [w.name for w in kernel.words]):
        if name in used:
            kind = kernel.words[position - len(kernel.buffers)].type if position >= len(kernel.buffers) else _ITEM
            load = b"\x2a\x02" if kind.scalar == "f32" else b"\x28\x02"
            writer.out += b"\x20\x00" + load + unsigned(4 * position)
            writer.set(writer.declare(name, kind))
    item = writer.declare(kernel.item.name, _ITEM)
    writer.counted(item, lambda: writer.get(1), lambda: writer.get(2), 1, kernel.body)
    return functions.add(writer.function(KERNEL_SIGNATURE))


def _names(body: tuple[Stmt, ...], of_tiles: dict[int, dict[str, None]]) -> dict[str, None]:
    """Names of variables, words and buffers that a body uses, in the order of first use.

    Those of the tiles inside, by the tiles' ids, are entered into `of_tiles`, so that nothing is walked twice.
    """
    found: dict[str, None] = {}
    for stmt in body:
        if isinstance(stmt, ir.Store):
            found[stmt.buffer] = None
        elif isinstance(stmt, ir.Assign):
            found[stmt.var.name] = None
        for expr in ir.expressions(stmt):
            _add_names(expr, found)
        for block in ir.blocks(stmt):
            inner = _names(block, of_tiles)
            found |= inner
            if isinstance(stmt, ir.Tile):
                of_tiles[id(stmt)] = inner
    return found


def _add_names(expr: Expr, found: dict[str, None]) -> None:
    if isinstance(expr, (ir.Var, ir.Word)):
        found[expr.name] = None
        return
    if isinstance(expr, (ir.Load, ir.At)):
        found[expr.buffer] = None
    for child in ir.children(expr):
        _add_names(child, found)


def value_type(type: Type) -> int:
    """The WebAssembly type of a register."""
    if type.lanes == 1:
        return code.VALUE_TYPES[type.scalar]
    if type == ir.I16X8:
        return wasm.V128
    if type.lanes != VECTOR_LANES or type.scalar not in ("i32", "u32", "f32", "bool"):
        raise KernelError(f"WebAssembly has no register for {type}; its vectors hold {VECTOR_LANES} of 32 bits.")
    return wasm.V128


class _Writer:
    """Writes the code of one function."""

    def __init__(self, kernel: Kernel, target: Target, functions: Functions, parameters: int) -> None:
        self.kernel = kernel
        self.relaxed = target.has("relaxed-simd")
        self.target = target
        self.functions = functions
        self.out = bytearray()
        self.parameters = parameters
        self.local_types: list[int] = []
        self.known: dict[str, tuple[int, Type]] = {}
        self.used_by_tiles: dict[int, dict[str, None]] = {}
        self.constants: dict[Key, int] = {}

    def function(self, signature: Signature) -> Function:
        return Function(signature, tuple(self.local_types), bytes(self.out))

    # -- locals

    def declare(self, name: str, type: Type) -> int:
        index = self.temporary(value_type(type))
        self.known[name] = (index, type)
        return index

    def temporary(self, kind: int) -> int:
        self.local_types.append(kind)
        return self.parameters + len(self.local_types) - 1

    def get(self, index: int) -> None:
        self.out += b"\x20" + unsigned(index)

    def set(self, index: int) -> None:
        self.out += b"\x21" + unsigned(index)

    def local(self, name: str) -> int:
        try:
            return self.known[name][0]
        except KeyError:
            raise KernelError(f"Kernel {self.kernel.name} uses {name!r} before it has a value.") from None

    # -- statements

    def body(self, body: tuple[Stmt, ...]) -> None:
        for stmt in body:
            self.statement(stmt)

    def statement(self, stmt: Stmt) -> None:
        match stmt:
            case ir.Let(var=var, value=value):
                self.expr(value)
                self.set(self.declare(var.name, var.type))
            case ir.Assign(var=var, value=value):
                self.expr(value)
                self.set(self.local(var.name))
            case ir.Store():
                self.store(stmt)
            case ir.Loop(var=var, begin=begin, end=end, step=step, body=body):
                index = self.declare(var.name, var.type)
                self.counted(index, lambda: self.expr(begin), lambda: self.expr(end), step, body)
            case ir.If(condition=condition, then=then, otherwise=otherwise):
                self.expr(condition)
                self.out += b"\x04\x40"
                self.body(then)
                if otherwise:
                    self.out += b"\x05"
                    self.body(otherwise)
                self.out += b"\x0b"
            case ir.Tile():
                self.tile(stmt)

    def counted(
        self, index: int, begin: Callable[[], None], end: Callable[[], None], step: int, body: tuple[Stmt, ...]
    ) -> None:
        """index = begin; if index < end: constants; do: body; index += step; while index < end"""
        limit = self.temporary(wasm.I32)
        begin()
        self.set(index)
        end()
        self.out += b"\x22" + unsigned(limit)
        self.get(index)
        self.out += b"\x4a\x04\x40"  # i32.gt_s, if
        self.constants = {key: self.constant_local(number) for key, number in loop_constants(body).items()}
        self.out += b"\x03\x40"  # loop
        self.body(body)
        self.constants = {}
        self.get(index)
        self.out += b"\x41" + signed(step) + b"\x6a\x22" + unsigned(index)
        self.get(limit)
        self.out += b"\x48\x0d\x00\x0b\x0b"  # i32.lt_s, br_if 0, end, end

    def constant_local(self, number: ir.Const) -> int:
        """A new local that holds a constant."""
        self.constant(number)
        index = self.temporary(value_type(number.type))
        self.set(index)
        return index

    def tile(self, tile: ir.Tile) -> None:
        captured = [name for name in self.used_by_tiles[id(tile)] if name in self.known]
        inner = _Writer(self.kernel, self.target, self.functions, parameters=len(captured))
        inner.used_by_tiles = self.used_by_tiles
        inner.known = {name: (i, self.known[name][1]) for i, name in enumerate(captured)}
        inner.body(tile.body)
        signature = Signature(tuple(value_type(self.known[name][1]) for name in captured))
        index = self.functions.add(inner.function(signature))
        for name in captured:
            self.get(self.local(name))
        self.out += b"\x10" + unsigned(index)

    # -- memory

    def address(self, buffer: str, index: Expr, offset: int) -> int:
        """Put the byte address of an access on the stack, return the constant part for the instruction."""
        itemsize = DTYPES[self.kernel.buffer(buffer).dtype].itemsize
        constant = offset
        if isinstance(index, Var) and index.type == ir.POINTER:
            self.get(self.local(index.name))
        else:
            if isinstance(index, ir.Binary) and index.op == "add" and isinstance(index.right, ir.Const):
                constant, index = offset + int(index.right.value), index.left
            self.get(self.local(buffer))
            self.scaled(index, itemsize)
            self.out += b"\x6a"
        if constant < 0:  # immediates are unsigned
            self.out += b"\x41" + signed(constant * itemsize) + b"\x6a"
            return 0
        return constant * itemsize

    def scaled(self, index: Expr, itemsize: int) -> None:
        """index * itemsize on the stack."""
        if isinstance(index, ir.Const):
            self.out += b"\x41" + signed(int(index.value) * itemsize)
            return
        self.expr(index)
        if itemsize > 1:
            self.out += b"\x41" + signed(itemsize.bit_length() - 1) + b"\x74"

    def load(self, expr: ir.Load) -> None:
        dtype = self.kernel.buffer(expr.buffer).dtype
        immediate = unsigned(self.address(expr.buffer, expr.index, expr.offset))
        if dtype == "f16":
            self.load_half(immediate, expr.type.lanes)
        elif expr.type.lanes == 1:
            instruction, _, align = code.SCALAR_MEMORY[dtype]
            self.out += instruction + unsigned(align) + immediate
        elif expr.type == ir.I16X8:
            self.out += code.LOAD_HALVES[dtype] + b"\x00" + immediate
        elif dtype in code.WIDEN_BYTES:
            self.out += code.V128_LOAD32_ZERO + b"\x00" + immediate + code.WIDEN_BYTES[dtype]
        else:
            value_type(expr.type)
            self.out += code.V128_LOAD + b"\x02" + immediate

    def store(self, stmt: ir.Store) -> None:
        dtype = self.kernel.buffer(stmt.buffer).dtype
        immediate = unsigned(self.address(stmt.buffer, stmt.index, stmt.offset))
        self.expr(stmt.value)
        type_ = stmt.value.type
        if dtype == "f16":
            self.store_half(immediate, type_)
        elif type_.lanes == 1:
            _, instruction, align = code.SCALAR_MEMORY[dtype]
            self.out += instruction + unsigned(align) + immediate
        elif type_ == ir.I16X8:
            self.out += code.V128_ZERO + code.SATURATE_TO_BYTES[dtype]
            self.out += code.V128_STORE64_LANE + b"\x00" + immediate + b"\x00"
        elif dtype in code.WIDEN_BYTES:
            mask = 1 if type_.scalar == "bool" else 0xFF
            self.constant(ir.Const(mask, Type("i32", VECTOR_LANES)))
            self.out += code.V128_AND + code.NARROW_TO_BYTES
            self.out += code.V128_STORE32_LANE + b"\x00" + immediate + b"\x00"
        else:
            self.out += code.V128_STORE + b"\x02" + immediate

    def load_half(self, immediate: bytes, lanes: int) -> None:
        """16-bit floats at the address on the stack as f32."""
        if lanes == 1:
            self.out += code.SCALAR_MEMORY["u16"][0] + b"\x01" + immediate
        else:
            self.out += code.V128_LOAD64_ZERO + b"\x01" + immediate + code.WIDEN_HALVES
        self.expr(halves.wide(self.keep("%half", Type("i32", lanes))))

    def store_half(self, immediate: bytes, type: Type) -> None:
        """Store the f32 on the stack as 16-bit floats at the address below it."""
        value = self.keep("%value", type)
        self.expr(halves.rounded_sum(value))
        rounded = self.keep("%rounded", Type("i32", type.lanes))
        self.expr(halves.narrow(value, rounded))
        if type.lanes == 1:
            self.out += code.SCALAR_MEMORY["u16"][1] + b"\x01" + immediate
        else:
            self.out += code.NARROW_TO_HALVES + code.V128_STORE64_LANE + b"\x01" + immediate + b"\x00"

    def keep(self, name: str, type: Type) -> Var:
        """Take what is on the stack into a variable of the generator's own; its name is none that kernels have."""
        var = Var(f"{name}x{type.lanes}", type)
        self.set(self.known[var.name][0] if var.name in self.known else self.declare(var.name, type))
        return var

    # -- expressions

    def expr(self, expr: Expr) -> None:
        """Put the value of an expression on the stack."""
        match expr:
            case ir.Const():
                self.constant(expr)
            case ir.Var(name=name) | ir.Word(name=name):
                self.get(self.local(name))
            case ir.Unary():
                self.unary(expr)
            case ir.Binary():
                self.binary(expr)
            case ir.Fma():
                self.fma(expr)
            case ir.DotPairs(left=left, right=right):
                self.expr(left)
                self.expr(right)
                self.out += code.I32X4_DOT_I16X8_S
            case ir.Narrow(left=left, right=right):
                self.expr(left)
                self.expr(right)
                self.out += code.I16X8_NARROW_I32X4_S
            case ir.Widen(operand=operand, last=last):
                self.expr(operand)
                self.out += code.EXTEND_HALF[last]
            case ir.Select():
                self.select(expr)
            case ir.Cast():
                self.cast(expr)
            case ir.Bitcast(operand=operand, type=type_):
                self.expr(operand)
                if type_.lanes == 1:
                    self.out += code.BITCAST[operand.type.scalar, type_.scalar]
            case ir.Splat():
                self.splat(expr)
            case ir.Lane(operand=operand, index=index):
                self.expr(operand)
                self.out += code.EXTRACT_LANE[operand.type.scalar] + bytes((index,))
            case ir.Pick(left=left, right=right, lanes=lanes):
                self.expr(left)
                self.expr(right)
                self.out += code.I8X16_SHUFFLE + bytes(4 * lane + byte for lane in lanes for byte in range(4))
            case ir.Load():
                self.load(expr)
            case ir.At(buffer=buffer, index=index):
                immediate = self.address(buffer, index, 0)
                if immediate:
                    self.out += b"\x41" + signed(immediate) + b"\x6a"
            case ir.Moved(pointer=pointer, elements=elements):
                self.get(self.local(pointer.name))
                self.scaled(elements, DTYPES[self.kernel.buffer(pointer.buffer).dtype].itemsize)
                self.out += b"\x6a"

    def constant(self, expr: ir.Const) -> None:
        scalar, value = expr.type.scalar, expr.value
        if (expr.type, value) in self.constants:
            self.get(self.constants[expr.type, value])
            return
        if scalar == "f32":
            data = wasm.float32(value)
        elif scalar == "f64":
            data = wasm.float64(value)
        else:
            data = (int(value) & 0xFFFFFFFF).to_bytes(4, "little")
        if expr.type.lanes > 1:
            if scalar == "bool":
                data = b"\xff\xff\xff\xff" if value else bytes(4)
            self.out += code.V128_CONST + data * expr.type.lanes
        elif scalar in ("f32", "f64"):
            self.out += (b"\x43" if scalar == "f32" else b"\x44") + data
        elif scalar == "i64":
            self.out += b"\x42" + signed(int(value))
        else:
            self.out += b"\x41" + signed(int.from_bytes(data, "little", signed=True))

    def unary(self, expr: ir.Unary) -> None:
        type_ = expr.type
        table = code.SCALAR_UNARY if type_.lanes == 1 else code.VECTOR_UNARY
        instruction = table.get(type_.scalar, {}).get(expr.op)
        if instruction is not None:
            self.expr(expr.operand)
            self.out += instruction
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
        self.out += instruction

    def scalar_binary(self, expr: ir.Binary) -> None:
        type_ = expr.left.type
        instruction = code.SCALAR_BINARY[type_.scalar].get(expr.op)
        if instruction is not None:
            self.expr(expr.left)
            self.expr(expr.right)
            self.out += instruction
        elif expr.op in ("min", "max"):
            left, right = self.temporary(value_type(type_)), self.temporary(value_type(type_))
            self.expr(expr.left)
            self.out += b"\x22" + unsigned(left)
            self.expr(expr.right)
            self.out += b"\x22" + unsigned(right)
            self.get(left)
            self.get(right)
            self.out += code.SCALAR_BINARY[type_.scalar]["lt" if expr.op == "min" else "gt"] + b"\x1b"
        else:
            raise KernelError(f"WebAssembly has no {expr.op} for {type_}.")

    def shift_count(self, expr: Expr) -> None:
        """Vector shifts take one scalar count."""
        match expr:
            case ir.Const(value=value):
                self.out += b"\x41" + signed(int(value))
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
            self.out += code.F32X4_RELAXED_MADD
        else:
            self.out += table[expr.type.scalar]["mul"]
            self.expr(expr.addend)
            self.out += table[expr.type.scalar]["add"]

    def select(self, expr: ir.Select) -> None:
        then, otherwise, condition = expr.then, expr.otherwise, expr.condition
        if expr.type == Type("f32", VECTOR_LANES) and isinstance(condition, ir.Binary) and condition.op == "lt":
            # x < y ? y : x is one instruction, pmax(x, y), and x < y ? x : y is pmin(y, x).
            for op, first in (("max", otherwise), ("min", then)):
                second = then if op == "max" else otherwise
                if condition.left == first and condition.right == second:
                    self.expr(otherwise)
                    self.expr(then)
                    self.out += code.VECTOR_PSEUDO_EXTREMES[op]
                    return
        self.expr(expr.then)
        self.expr(expr.otherwise)
        self.expr(expr.condition)
        self.out += b"\x1b" if expr.type.lanes == 1 else code.V128_BITSELECT

    def cast(self, expr: ir.Cast) -> None:
        operand, type_ = expr.operand, expr.type
        source, wanted = operand.type.scalar, type_.scalar
        if source == wanted:
            self.expr(operand)
        elif wanted == "bool":
            self.binary(ir.Binary("ne", operand, ir.Const(0, operand.type)))
        elif type_.lanes == 1:
            self.expr(operand)
            self.out += code.SCALAR_CAST[source, wanted]
        elif source == "bool":
            self.expr(operand)
            self.constant(ir.Const(1, type_))
            self.out += code.V128_AND
        else:
            self.expr(operand)
            self.out += code.VECTOR_CAST[source, wanted]

    def splat(self, expr: ir.Splat) -> None:
        operand = expr.operand
        value_type(expr.type)
        if isinstance(operand, ir.Load) and self.kernel.buffer(operand.buffer).dtype in ("f32", "i32", "u32"):
            immediate = unsigned(self.address(operand.buffer, operand.index, operand.offset))
            self.out += code.V128_LOAD32_SPLAT + b"\x02" + immediate
            return
        self.expr(operand)
        if operand.type.scalar == "bool":
            self.out += b"\x45\x41\x01\x6b"  # eqz, minus one: all bits of a true lane are set
        self.out += code.SPLAT["i32" if operand.type.scalar == "bool" else operand.type.scalar]
