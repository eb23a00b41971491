"""A kernel as a WGSL compute shader: one invocation an item."""

from intab.errors import UnsupportedOpError
from intab.kernels.ir import (
    Assign,
    Buffer,
    If,
    Kernel,
    Let,
    Load,
    Loop,
    Stmt,
    Store,
    Tile,
    Type,
    expressions,
    walk,
    walk_expr,
)
from intab.kernels.wgsl.expressions import (
    LARGEST,
    NOT_FINITE,
    expr_text,
    load_function,
    place_text,
    saturating_function,
    saturating_text,
    type_text,
)
from intab.kernels.wgsl.layout import WORKGROUP_SIZE, Shader

# WebGPU's default for maxStorageBuffersPerShaderStage, of which the words take one.
MOST_BUFFERS = 7

_ELEMENTS = {"f32": "f32", "i32": "i32", "u32": "u32"}


def generate(kernel: Kernel) -> Shader:
    """Print a kernel that `verify` passes.

    Raises UnsupportedOpError, naming the kernel, for dtypes WGSL lacks and for more buffers than a stage may bind.
    """
    try:
        return Shader(_text(kernel), tuple((b.name, b.access) for b in kernel.buffers))
    except UnsupportedOpError as error:
        raise UnsupportedOpError(f"Kernel {kernel.name}: {error}") from None


def _text(kernel: Kernel) -> str:
    if len(kernel.buffers) > MOST_BUFFERS:
        raise UnsupportedOpError(f"it has {len(kernel.buffers)} buffers; WebGPU may bind no more than {MOST_BUFFERS}.")
    printer = _Printer(kernel)
    printer.body(kernel.body, "    ")
    main = "\n".join(printer.lines)
    lines = [*_declarations(kernel), *_vector_accesses(kernel)]
    # Only what is used is declared, so that the text stays readable.
    lines += [
        saturating_text(type)
        for type in (Type(scalar, lanes) for scalar in LARGEST for lanes in (1, 2, 3, 4))
        if f"{saturating_function(type)}(" in main
    ]
    lines += [f"var<private> {name}: u32 = {bits:#x}u;" for name, bits in NOT_FINITE.items() if name in main]
    return "\n".join([*lines, *_entry(kernel), main, "}", ""])


def _declarations(kernel: Kernel) -> list[str]:
    lines = ["@group(0) @binding(0) var<storage, read> words: array<u32>;"]
    for index, buffer in enumerate(kernel.buffers, start=1):
        access = "read" if buffer.access == "read" else "read_write"
        element = _element(buffer)
        lines.append(f"@group(0) @binding({index}) var<storage, {access}> b_{buffer.name}: array<{element}>;")
    return lines


def _element(buffer: Buffer) -> str:
    element = _ELEMENTS.get(buffer.dtype)
    if element is None:
        raise UnsupportedOpError(
            f"buffer {buffer.name} holds {buffer.dtype}, which WGSL kernels cannot address. Use the wasm back end, "
            f"or one of {', '.join(_ELEMENTS)}."
        )
    return element


def _entry(kernel: Kernel) -> list[str]:
    """The head of `main`: who am I, and what are my words."""
    lines = [
        f"@compute @workgroup_size({WORKGROUP_SIZE})",
        "fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {",
        f"    let place = id.x + id.y * groups.x * {WORKGROUP_SIZE}u;",
        "    if (place >= words[0]) { return; }",
        f"    let v_{kernel.item.name} = i32(place);",
    ]
    for index, buffer in enumerate(kernel.buffers, start=1):
        lines.append(f"    let o_{buffer.name} = bitcast<i32>(words[{index}]);")
    for index, word in enumerate(kernel.words, start=1 + len(kernel.buffers)):
        lines.append(f"    let w_{word.name} = bitcast<{type_text(word.type)}>(words[{index}]);")
    return lines


def _vector_accesses(kernel: Kernel) -> list[str]:
    """Functions for the vector loads and stores: arrays of scalars need no alignment."""
    loads: dict[tuple[str, int], Type] = {}
    stores: dict[tuple[str, int], Type] = {}
    for stmt in walk(kernel.body):
        for outer in expressions(stmt):
            for expr in walk_expr(outer):
                if isinstance(expr, Load) and expr.type.lanes > 1:
                    loads[expr.buffer, expr.type.lanes] = expr.type
        if isinstance(stmt, Store) and stmt.value.type.lanes > 1:
            stores[stmt.buffer, stmt.value.type.lanes] = stmt.value.type
    lines = []
    for (buffer, lanes), type in sorted(loads.items()):
        parts = ", ".join(f"b_{buffer}[i + {lane}]" for lane in range(lanes))
        vector = type_text(type)
        lines.append(f"fn {load_function(buffer, lanes)}(i: i32) -> {vector} {{ return {vector}({parts}); }}")
    for (buffer, lanes), type in sorted(stores.items()):
        parts = " ".join(f"b_{buffer}[i + {lane}] = v.{'xyzw'[lane]};" for lane in range(lanes))
        lines.append(f"fn {_store_function(buffer, lanes)}(i: i32, v: {type_text(type)}) {{ {parts} }}")
    return lines


def _store_function(buffer: str, lanes: int) -> str:
    return f"store{lanes}_{buffer}"


class _Printer:
    def __init__(self, kernel: Kernel) -> None:
        self.lines: list[str] = []
        self._assigned = {stmt.var.name for stmt in walk(kernel.body) if isinstance(stmt, Assign)}

    def body(self, body: tuple[Stmt, ...], indent: str) -> None:
        for stmt in body:
            self._statement(stmt, indent)

    def _statement(self, stmt: Stmt, indent: str) -> None:
        match stmt:
            case Let(var=var):
                keyword = "var" if var.name in self._assigned else "let"
                self.lines.append(f"{indent}{keyword} v_{var.name}: {type_text(var.type)} = {expr_text(stmt.value)};")
            case Assign(var=var):
                self.lines.append(f"{indent}v_{var.name} = {expr_text(stmt.value)};")
            case Store():
                place, value = place_text(stmt.buffer, stmt.index, stmt.offset), expr_text(stmt.value)
                lanes = stmt.value.type.lanes
                vector = f"{_store_function(stmt.buffer, lanes)}({place}, {value});"
                self.lines.append(indent + (f"b_{stmt.buffer}[{place}] = {value};" if lanes == 1 else vector))
            case Loop(var=var):
                name = f"v_{var.name}"
                self.lines.append(f"{indent}let e_{var.name} = {expr_text(stmt.end)};")
                begin = expr_text(stmt.begin)
                self.lines.append(
                    f"{indent}for (var {name}: i32 = {begin}; {name} < e_{var.name}; {name} += {stmt.step}) {{"
                )
                self.body(stmt.body, indent + "    ")
                self.lines.append(indent + "}")
            case If():
                self.lines.append(f"{indent}if ({expr_text(stmt.condition)}) {{")
                self.body(stmt.then, indent + "    ")
                if stmt.otherwise:
                    self.lines.append(indent + "} else {")
                    self.body(stmt.otherwise, indent + "    ")
                self.lines.append(indent + "}")
            case Tile():
                self.lines.append(f"{indent}{{  // {stmt.name}")
                self.body(stmt.body, indent + "    ")
                self.lines.append(indent + "}")
