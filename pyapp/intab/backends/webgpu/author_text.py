"""WGSL that an author wrote: what it declares, and the same text bound as this back end binds shaders.

Whole text declares its own bindings; a body is what one invocation does for element `i`, and gets a head here. Columns
and lines of what the compiler finds wrong are those of the author's text.
"""

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from intab.dtypes import DTYPES, DType
from intab.errors import KernelError
from intab.kernels.wgsl import stored_as
from intab.target import Target

SCALARS = {"f32": "f32", "i32": "i32", "u32": "u32", "f16": "f16"}
_SHORT = {"f": "f32", "i": "i32", "u": "u32", "h": "f16"}
_LETTERS = {"f32": "f", "i32": "i", "u32": "I"}
_UNIFORM_TYPES = "f32, i32, u32 and vectors of them"
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_BINDING = re.compile(
    r"(?P<attributes>(?:@(?:group|binding)\s*\(\s*\d+[iu]?\s*\)\s*)+)"
    r"var\s*<\s*(?P<space>uniform|storage)\s*(?:,\s*(?P<access>\w+)\s*)?>\s*(?P<name>\w+)\s*:\s*(?P<type>[^;]+?)\s*;"
)
_STRUCT = re.compile(r"\bstruct\s+(\w+)\s*\{([^}]*)\}")
_ENTRY = re.compile(r"(?P<attributes>(?:@\w+\s*(?:\([^)]*\)\s*)?)+)fn\s+(?P<name>\w+)\s*\(")
_ATTRIBUTE = re.compile(r"(?P<name>group|binding)(?P<open>\s*\(\s*)(?P<number>\d+[iu]?)")
_ARRAY = re.compile(r"array\s*<\s*(?P<element>.+?)\s*(?:,\s*(?P<length>[^,<>]+?)\s*)?>$", re.DOTALL)
_VECTOR = re.compile(r"vec([234])(?:\s*<\s*(\w+)\s*>|([fiuh]))$")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
# Parameters of a kernel's call, which its arrays cannot be named like.
_TAKEN = frozenset({"shape", "workgroups", "keep", "repeats"})
# What a body finds declared.
_HEAD_NAMES = frozenset({"i", "main", "invocation", "groups", "parameters", "Parameters"})
# One complaint, as `Gpu.compile` gives it; what the compiler lists below its first line is left out.
_COMPLAINT = re.compile(r"^(\d+):(\d+): (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Array:
    """A storage buffer. `stored`: its numbers in memory; None where they are structures. `length`: how many numbers the
    text asks for, 0 where it leaves that open. `dtype`: what an author said that it holds."""

    name: str
    access: str
    stored: DType | None
    length: int = 0
    dtype: DType | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A number, or a few, of the uniform buffer: `letter` as `struct` packs it, `at` in bytes."""

    name: str
    letter: str
    count: int
    at: int


@dataclass(frozen=True, slots=True)
class AuthorText:
    """A text as it is compiled. `head_lines` come before the author's; `source` is what the author wrote.

    `arrays` are in the order of their bindings, from 1 on; `fields` lie in binding 0, of `uniform_nbytes`.
    """

    name: str
    source: str
    text: str
    head_lines: int
    entry: str
    arrays: tuple[Array, ...]
    fields: tuple[Field, ...]
    uniform_nbytes: int

    @property
    def access(self) -> tuple[str, ...]:
        return tuple(array.access for array in self.arrays)

    def pack(self, numbers: Mapping[str, object]) -> bytes:
        """The uniform buffer. Raises KernelError for a number that its field does not hold."""
        data = bytearray(self.uniform_nbytes)
        for field in self.fields:
            given = numbers[field.name]
            values = list(given) if isinstance(given, Sequence) else [given]
            if len(values) != field.count:
                raise KernelError(f"{self.name}: {field.name} is {field.count} numbers, and {len(values)} were given.")
            try:
                struct.pack_into(f"<{field.count}{field.letter}", data, field.at, *values)
            except struct.error as error:
                kind = {"f": "float32", "i": "int32", "I": "uint32"}[field.letter]
                raise KernelError(f"{self.name}: {field.name} is {given!r}, and {kind} is wanted ({error}).") from error
        return bytes(data)


def is_whole(text: str) -> bool:
    """Whether a text is a whole shader, with an entry point of its own."""
    return "@compute" in _blanked(text)


def read_whole(name: str, source: str, dtypes: Mapping[str, DType], entry: str | None) -> AuthorText:
    """A whole shader. `dtypes`: of arrays whose elements say too little. Raises KernelError."""
    plain = _blanked(source)
    found = list(_BINDING.finditer(plain))
    if len(uniforms := [match for match in found if match["space"] == "uniform"]) > 1:
        names = ", ".join(match["name"] for match in uniforms)
        raise KernelError(f"{name}: it has {len(uniforms)} uniform buffers ({names}). Make them one structure.")
    storage = [match for match in found if match["space"] == "storage"]
    structs = {match[1]: match[2] for match in _STRUCT.finditer(plain)}
    fields, nbytes = _fields(name, uniforms[0], structs) if uniforms else ((), 0)
    numbers = {match["name"]: i for i, match in enumerate(storage, start=1)} | {m["name"]: 0 for m in uniforms}
    _check_bindings(name, found)
    if strange := sorted(dtypes.keys() - {match["name"] for match in storage}):
        raise KernelError(f"{name}: its text declares no storage buffer {', '.join(strange)}.")
    arrays = tuple(_array(name, match, dtypes.get(match["name"])) for match in storage)
    _check_names(name, [array.name for array in arrays] + [field.name for field in fields], _TAKEN)
    return AuthorText(
        name, source, _rebound(source, found, numbers), 0, _entry(name, plain, entry), arrays, fields, nbytes
    )


def read_body(
    name: str,
    source: str,
    inputs: Mapping[str, DType],
    outputs: Mapping[str, DType],
    uniforms: Mapping[str, DType],
    workgroup_size: int,
    target: Target,
) -> AuthorText:
    """What one invocation does for element `i` of `count`. Raises KernelError."""
    if not outputs:
        raise KernelError(f'{name}: it has no outputs. Name them with their dtype: outputs={{"out": "float32"}}.')
    _check_names(name, [*inputs, *outputs, *uniforms], _TAKEN | _HEAD_NAMES)
    if "\n" not in source and not source.strip():
        raise KernelError(f"{name}: its text is empty.")
    arrays = [Array(n, "read", stored_as(d.name, target), 0, d) for n, d in inputs.items()]
    arrays += [Array(n, "read_write", stored_as(d.name, target), 0, d) for n, d in outputs.items()]
    kinds = {n: _uniform_kind(name, n, d) for n, d in uniforms.items()}
    members = "".join(f", {n}: {kind}" for n, kind in kinds.items())
    lines = ["enable f16;"] if any(a.stored == DTYPES["f16"] for a in arrays) else []
    lines += [
        f"struct Parameters {{ count: u32{members} }}",
        "@group(0) @binding(0) var<uniform> parameters: Parameters;",
    ]
    for number, array in enumerate(arrays, start=1):
        assert array.stored is not None
        space = f"var<storage, {array.access}>"
        lines.append(f"@group(0) @binding({number}) {space} {array.name}: array<{array.stored.name}>;")
    lines += [
        f"@compute @workgroup_size({workgroup_size})",
        "fn main(@builtin(global_invocation_id) invocation: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {",
        f"let i = invocation.x + invocation.y * groups.x * {workgroup_size}u;",
        "let count = parameters.count;",
        "if (i >= count) { return; }",
        *(f"let {n} = parameters.{n};" for n in uniforms),
    ]
    fields = [Field("count", "I", 1, 0)]
    fields += [Field(n, _LETTERS[kind], 1, 4 * at) for at, (n, kind) in enumerate(kinds.items(), start=1)]
    text = "\n".join([*lines, source, "}", ""])
    return AuthorText(name, source, text, len(lines), "main", tuple(arrays), tuple(fields), 4 * len(fields))


def complain(text: AuthorText, words: str) -> KernelError:
    """What the compiler found wrong, at the lines and columns of the author's text."""
    found = [_complaint(text, int(m[1]) - text.head_lines, int(m[2]), m[3]) for m in _COMPLAINT.finditer(words)]
    return KernelError("\n".join(found) or f"{text.name}: {words}")


def _complaint(text: AuthorText, number: int, column: int, said: str) -> str:
    said = said.partition(" in: ")[0]
    lines = text.source.splitlines()
    if not 1 <= number <= len(lines):  # of what was written around it
        return f"{text.name}: {said}"
    return f"{text.name}, line {number}, column {column}: {said}\n    {lines[number - 1]}\n    {' ' * (column - 1)}^"


def _blanked(text: str) -> str:
    """The text with spaces for its comments, so that all else stays where it is."""
    return _COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _entry(name: str, plain: str, wanted: str | None) -> str:
    entries = [match["name"] for match in _ENTRY.finditer(plain) if "@compute" in match["attributes"]]
    if wanted is None and len(entries) == 1:
        return entries[0]
    if wanted is not None and wanted in entries:
        return wanted
    asked = f"no entry point {wanted!r}" if wanted else f"{len(entries)} entry points"
    raise KernelError(f"{name}: it has {asked}; it has {', '.join(entries)}. Say which: entry_point={entries[0]!r}.")


def _check_bindings(name: str, found: Sequence[re.Match[str]]) -> None:
    seen: dict[tuple[str, ...], str] = {}
    for match in found:
        numbers = {m["name"]: m["number"].rstrip("iu") for m in _ATTRIBUTE.finditer(match["attributes"])}
        if numbers.keys() != {"group", "binding"}:
            raise KernelError(f"{name}: {match['name']} needs both @group and @binding.")
        if match["space"] == "storage" and match["access"] not in (None, "read", "read_write"):
            raise KernelError(f"{name}: {match['name']} is <storage, {match['access']}>; there is read and read_write.")
        other = seen.setdefault((numbers["group"], numbers["binding"]), match["name"])
        if other != match["name"]:
            raise KernelError(f"{name}: {other} and {match['name']} have one binding. Give each its own number.")


def _array(name: str, match: re.Match[str], said: DType | None) -> Array:
    access = match["access"] or "read"
    whole = _ARRAY.match(match["type"])
    stored = _element(whole["element"] if whole else match["type"])
    length = whole["length"] if whole else "1"
    count = int(length.rstrip("iu")) if length and length.rstrip("iu").isdigit() else 0
    if stored is None and said is None and access == "read_write":
        raise KernelError(
            f"{name}: {match['name']} is of {match['type']}, which is no dtype of numpy. Say which its bytes are read "
            f'as: outputs={{"{match["name"]}": "float32"}}.'
        )
    lanes = _lanes(whole["element"] if whole else match["type"])
    return Array(match["name"], access, stored, count * lanes, said)


def _element(type_text: str) -> DType | None:
    """The dtype of an element's numbers in memory."""
    plain = re.sub(r"^atomic\s*<\s*(\w+)\s*>$", r"\1", type_text)
    if vector := _VECTOR.match(plain):
        if vector[1] == "3":  # takes the room of four
            return None
        plain = vector[2] or _SHORT[vector[3]]
    return DTYPES[plain] if plain in SCALARS else None


def _lanes(type_text: str) -> int:
    vector = _VECTOR.match(type_text)
    return int(vector[1]) if vector else 1


def _fields(name: str, match: re.Match[str], structs: Mapping[str, str]) -> tuple[tuple[Field, ...], int]:
    """The numbers of a uniform buffer, where WGSL's rules of alignment put them, and its bytes."""
    members = structs.get(match["type"])
    rows = [(match["name"], match["type"])]
    if members is not None:
        rows = [(n.strip(), t.strip()) for n, _, t in (m.partition(":") for m in _split(members)) if n.strip()]
    fields, at = [], 0
    for field, type_text in rows:
        vector = _VECTOR.match(type_text)
        scalar = (vector[2] or _SHORT[vector[3]]) if vector else type_text
        if scalar not in _LETTERS:
            raise KernelError(f"{name}: its uniform {field} is {type_text}; there are {_UNIFORM_TYPES}.")
        count = int(vector[1]) if vector else 1
        align = 4 * (4 if count == 3 else count)
        at = -(-at // align) * align
        fields.append(Field(field, _LETTERS[scalar], count, at))
        at += 4 * count
    return tuple(fields), -(-at // 16) * 16


def _split(members: str) -> list[str]:
    """Members of a structure; commas within <> part nothing."""
    return re.split(r",(?![^<]*>)", members)


def _rebound(source: str, found: Sequence[re.Match[str]], numbers: Mapping[str, int]) -> str:
    """The text with its bindings numbered as this back end binds them; nothing else moves."""
    parts, at = [], 0
    for match in found:
        begin, end = match.span("attributes")
        number = {"group": "0", "binding": str(numbers[match["name"]])}

        def put(one: re.Match[str], number: Mapping[str, str] = number) -> str:
            return f"{one['name']}{one['open']}{number[one['name']]:<{len(one['number'])}}"

        parts += [source[at:begin], _ATTRIBUTE.sub(put, source[begin:end])]
        at = end
    return "".join([*parts, source[at:]])


def _check_names(name: str, names: Sequence[str], taken: frozenset[str]) -> None:
    for one in names:
        if not _NAME.match(one):
            raise KernelError(f"{name}: {one!r} is no name of WGSL. Use letters, digits and _.")
        if one in taken or names.count(one) > 1:
            raise KernelError(f"{name}: {one!r} is taken. Give it another name.")


def _uniform_kind(name: str, uniform: str, dtype: DType) -> str:
    if dtype.name not in _LETTERS:
        raise KernelError(f"{name}: its uniform {uniform} is {dtype.numpy_name}; there are float32, int32, uint32.")
    return dtype.name
