"""A kernel as a WGSL compute shader: one invocation an item, or one workgroup where a team computes it."""

from intab.errors import UnsupportedOpError
from intab.kernels.ir import Assign, Barrier, If, Kernel, Let, Loop, Stmt, Store, Tile, Type, walk
from intab.kernels.wgsl.expressions import Expressions, dot_function, dot_text, spread_function, spread_text
from intab.kernels.wgsl.layout import WORKGROUP_SIZE, Shader, stored_as, words_layout
from intab.kernels.wgsl.memory import Memory, access_functions, memories
from intab.kernels.wgsl.types import (
    LARGEST,
    NOT_FINITE,
    rounding_function,
    rounding_text,
    saturating_function,
    saturating_text,
    type_text,
)
from intab.target import WEBGPU, Target

# WebGPU's default for maxStorageBuffersPerShaderStage.
MOST_BUFFERS = 8


def generate(kernel: Kernel, target: Target = WEBGPU) -> Shader:
    """Print a kernel that `verify` passes. Features of the target that it knows: "shader-f16", with which
    buffers of f16 hold 16 bits, and "packed-dot", which says that WGSL multiplies bytes itself.

    Raises UnsupportedOpError, naming the kernel, for dtypes WGSL lacks, for more buffers than a stage may bind, and for
    teams and shared memory beyond what the target has.
    """
    try:
        _check_limits(kernel, target)
        memory = memories(kernel, target)
        text = _text(kernel, memory, packed_dot=target.has("packed-dot"))
    except UnsupportedOpError as error:
        raise UnsupportedOpError(f"Kernel {kernel.name}: {error}") from None
    buffers = tuple((b.name, _access(b.access)) for b in kernel.buffers)
    return Shader(text, buffers, words_layout(kernel), tuple(_features(kernel, memory)), kernel.team)


# What a shader's text enables for a feature that the device was asked for.
_EXTENSIONS = {"shader-f16": "f16", "subgroups": "subgroups"}


def _features(kernel: Kernel, memory: dict[str, Memory]) -> list[str]:
    halves = ["shader-f16"] if any(m.element == "f16" for m in memory.values()) else []
    return [*halves, *(["subgroups"] if kernel.in_subgroup else [])]


def _check_limits(kernel: Kernel, target: Target) -> None:
    if len(kernel.buffers) > MOST_BUFFERS:
        raise UnsupportedOpError(f"it has {len(kernel.buffers)} buffers; WebGPU may bind no more than {MOST_BUFFERS}.")
    if kernel.in_subgroup and kernel.team != target.subgroup:
        raise UnsupportedOpError(
            f"its team of {kernel.team} is to be one subgroup; those of the device have {target.subgroup}."
        )
    if kernel.team > max(target.team_limit, 1):
        raise UnsupportedOpError(f"its team of {kernel.team} is larger than {target.team_limit}, the device's most.")
    # WebGPU counts each array in whole vectors (maxComputeWorkgroupStorageSize).
    nbytes = sum(-(-s.length * stored_as(s.dtype, target).itemsize // 16) * 16 for s in kernel.shared)
    if nbytes > target.shared_nbytes:
        raise UnsupportedOpError(f"its team shares {nbytes} bytes; the device has {target.shared_nbytes}.")


def _access(access: str) -> str:
    return "read" if access == "read" else "read_write"


def _text(kernel: Kernel, memory: dict[str, Memory], *, packed_dot: bool) -> str:
    printer = _Printer(kernel, Expressions(memory, kernel.team))
    printer.body(kernel.body, "    ")
    lines = [*access_functions(kernel, memory), *_entry(kernel), *printer.lines, "}", ""]
    helpers = _helpers("\n".join(lines), packed_dot=packed_dot)
    return "\n".join([*_declarations(kernel, memory), *helpers, *lines])


def _helpers(text: str, *, packed_dot: bool) -> list[str]:
    """The functions and variables that a shader's text uses; only those, so that it stays readable."""
    widths = (1, 2, 3, 4)
    converting = [Type(scalar, lanes) for scalar in LARGEST for lanes in widths]
    return [
        *(saturating_text(type) for type in converting if f"{saturating_function(type)}(" in text),
        *(rounding_text(lanes) for lanes in widths if f"{rounding_function(lanes)}(" in text),
        *(dot_text(signed, packed=packed_dot) for signed in (True, False) if f"{dot_function(signed)}(" in text),
        *(
            spread_text(bits, signed=signed)
            for bits in (8, 4)
            for signed in (True, False)
            if f"{spread_function(bits, signed=signed)}(" in text
        ),
        *(f"var<private> {name}: u32 = {bits:#x}u;" for name, bits in NOT_FINITE.items() if name in text),
    ]


def _declarations(kernel: Kernel, memory: dict[str, Memory]) -> list[str]:
    lines = [f"enable {_EXTENSIONS[feature]};" for feature in _features(kernel, memory)]
    members = ", ".join(f"{name}: {scalar}" for name, scalar in words_layout(kernel))
    lines += [f"struct Words {{ {members} }}", "@group(0) @binding(0) var<uniform> words: Words;"]
    for index, buffer in enumerate(kernel.buffers, start=1):
        space = f"var<storage, {_access(buffer.access)}>"
        lines.append(f"@group(0) @binding({index}) {space} b_{buffer.name}: array<{memory[buffer.name].array_type}>;")
    for shared in kernel.shared:
        length = shared.length // shared.vector
        lines.append(f"var<workgroup> b_{shared.name}: array<{memory[shared.name].array_type}, {length}>;")
    return lines


def _entry(kernel: Kernel) -> list[str]:
    """The head of `main`: who am I, and what are my words."""
    size, parameters = WORKGROUP_SIZE, ["@builtin(global_invocation_id) id: vec3<u32>"]
    members, rows = [], f"groups.x * {WORKGROUP_SIZE}u"
    if kernel.member is not None:
        # Nothing says that invocations of a subgroup are in the order of local_invocation_index.
        number = "subgroup_invocation_id" if kernel.in_subgroup else "local_invocation_index"
        size, parameters = kernel.team, ["@builtin(workgroup_id) id: vec3<u32>", f"@builtin({number}) number: u32"]
        members, rows = [f"    let v_{kernel.member.name} = i32(number);"], "groups.x"
    parameters.append("@builtin(num_workgroups) groups: vec3<u32>")
    lines = [
        f"@compute @workgroup_size({size})",
        f"fn main({', '.join(parameters)}) {{",
        f"    let place = id.x + id.y * {rows};",
        "    if (place >= words.count) { return; }",
        f"    let v_{kernel.item.name} = i32(place);",
        *members,
    ]
    for buffer in kernel.buffers:
        shift = f" >> {buffer.vector.bit_length() - 1}u" if buffer.vector > 1 else ""
        lines.append(f"    let o_{buffer.name} = words.o_{buffer.name}{shift};")
    return lines + [f"    let w_{word.name} = words.w_{word.name};" for word in kernel.words]


class _Printer:
    def __init__(self, kernel: Kernel, expressions: Expressions) -> None:
        self.lines: list[str] = []
        self._expressions = expressions
        self._assigned = {stmt.var.name for stmt in walk(kernel.body) if isinstance(stmt, Assign)}

    def body(self, body: tuple[Stmt, ...], indent: str) -> None:
        for stmt in body:
            self._statement(stmt, indent)

    def _inside(self, body: tuple[Stmt, ...], indent: str) -> None:
        self.body(body, indent + "    ")
        self.lines.append(indent + "}")

    def _statement(self, stmt: Stmt, indent: str) -> None:
        text = self._expressions.text
        match stmt:
            case Let(var=var):
                keyword = "var" if var.name in self._assigned else "let"
                self.lines.append(f"{indent}{keyword} v_{var.name}: {type_text(var.type)} = {text(stmt.value)};")
            case Assign(var=var):
                self.lines.append(f"{indent}v_{var.name} = {text(stmt.value)};")
            case Store():
                self.lines.append(indent + self._expressions.store(stmt))
            case Loop(var=var):
                name, end = f"v_{var.name}", f"e_{var.name}"
                head = f"for (var {name}: i32 = {text(stmt.begin)}; {name} < {end}; {name} += {stmt.step}) {{"
                self.lines += [f"{indent}let {end} = {text(stmt.end)};", indent + head]
                self._inside(stmt.body, indent)
            case Barrier():
                self.lines.append(f"{indent}workgroupBarrier();")
            case If():
                self.lines.append(f"{indent}if ({text(stmt.condition)}) {{")
                self.body(stmt.then, indent + "    ")
                if stmt.otherwise:
                    self.lines.append(indent + "} else {")
                    self.body(stmt.otherwise, indent + "    ")
                self.lines.append(indent + "}")
            case Tile():
                self.lines.append(f"{indent}{{  // {stmt.name}")
                self._inside(stmt.body, indent)
