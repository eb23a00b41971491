"""The code of one function while it is being written, and its locals.

Which variables of its surroundings a function takes as parameters is known only when its code ends, and parameters
come before all other locals. So the code is a list of parts: bytes, and references to locals, which are numbered at
the end. That is cheaper than to walk every expression once before.
"""

from collections.abc import Callable, Sequence
from functools import cache

from intab.errors import KernelError
from intab.kernels import ir
from intab.kernels.ir import Type
from intab.kernels.wasm import encoding as wasm
from intab.kernels.wasm import instructions as code
from intab.kernels.wasm.encoding import Function, Signature, unsigned

VECTOR_LANES = 4
# A reference is 3 * slot + one of these.
GET, SET, TEE = range(3)
_INSTRUCTIONS = (b"\x20", b"\x21", b"\x22")


def value_type(type: Type) -> int:
    """The WebAssembly type of a register."""
    if type.lanes == 1:
        return code.VALUE_TYPES[type.scalar]
    if type == ir.I16X8:
        return wasm.V128
    if type.lanes != VECTOR_LANES or type.scalar not in ("i32", "u32", "f32", "bool"):
        raise KernelError(f"WebAssembly has no register for {type}; its vectors hold {VECTOR_LANES} of 32 bits.")
    return wasm.V128


@cache
def _references(number: int) -> tuple[bytes, ...]:
    """What gets, sets and tees a local."""
    return tuple(instruction + unsigned(number) for instruction in _INSTRUCTIONS)


class Frame:
    """Parts of code, in order, and the locals that they use. A slot is a local without a number yet."""

    def __init__(self, type_outside: Callable[[str], Type], parameters: Sequence[int] = ()) -> None:
        """`type_outside(name)` is the type of a variable of the surroundings, or raises KernelError.

        `parameters` are WebAssembly types of the first slots; variables of the surroundings become more of them.
        """
        self.out: list[bytes | int] = []
        self.captured: list[str] = []
        self.known: dict[str, tuple[int, Type]] = {}
        self._type_outside = type_outside
        self._kinds = list(parameters)
        self._parameters = list(range(len(parameters)))

    def declare(self, name: str, type: Type) -> int:
        """The slot of a new variable."""
        slot = self.temporary(value_type(type))
        self.known[name] = (slot, type)
        return slot

    def temporary(self, kind: int) -> int:
        """A slot that has no name."""
        self._kinds.append(kind)
        return len(self._kinds) - 1

    def local(self, name: str) -> int:
        """The slot of a variable, which may come from the surroundings."""
        known = self.known.get(name)
        return known[0] if known is not None else self._capture(name)

    def type_of(self, name: str) -> Type:
        """The type of a variable, which may come from the surroundings."""
        self.local(name)
        return self.known[name][1]

    def get(self, slot: int) -> None:
        self.out.append(3 * slot + GET)

    def set(self, slot: int) -> None:
        self.out.append(3 * slot + SET)

    def tee(self, slot: int) -> None:
        self.out.append(3 * slot + TEE)

    def function(self, signature: Signature | None = None) -> Function:
        """The function that the parts make; without a signature its parameters are what it took from outside."""
        others = sorted(set(range(len(self._kinds))).difference(self._parameters))
        kinds = self._kinds
        encoded = [b""] * (3 * len(kinds))
        for number, slot in enumerate((*self._parameters, *others)):
            encoded[3 * slot : 3 * slot + 3] = _references(number)
        signature = signature or Signature(tuple(kinds[slot] for slot in self._parameters))
        parts = [part if isinstance(part, bytes) else encoded[part] for part in self.out]
        return Function(signature, tuple(kinds[slot] for slot in others), b"".join(parts))

    def _capture(self, name: str) -> int:
        """A parameter for a variable of the surroundings."""
        slot = self.declare(name, self._type_outside(name))
        self.captured.append(name)
        self._parameters.append(slot)
        return slot
