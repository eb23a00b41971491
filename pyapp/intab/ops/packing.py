"""Packings: how kernels want their constants laid out, as data, so that a compiled program can be kept in a store."""

from collections.abc import Callable
from dataclasses import dataclass

from intab.errors import KernelError
from intab.graph.derived import View
from intab.graph.ir import Array
from intab.ops.panels import Panels

_FUNCTIONS: dict[str, Callable[..., Array]] = {}
_PANELS: dict[str, Callable[..., Panels | None]] = {}
_LINES: set[str] = set()
_AS_IT_LIES: dict[str, Callable[..., bool]] = {}


@dataclass(frozen=True, slots=True)
class Packing:
    """A function entered under `name`, with the whole numbers that it takes after the constants' arrays."""

    name: str
    numbers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in _FUNCTIONS:
            raise KernelError(f"There is no packing {self.name!r}; there are {', '.join(sorted(_FUNCTIONS))}.")

    def __call__(self, *arrays: Array) -> Array:
        return _FUNCTIONS[self.name](*arrays, *self.numbers)

    def panels(self, view: View) -> Panels | None:
        """How a kernel reads a constant to pack it; None where numpy has to."""
        return _PANELS[self.name](view, *self.numbers) if self.name in _PANELS else None

    @property
    def in_lines(self) -> bool:
        """Whether what it makes are the lines of `kernels.families.pack_lines`, not panels."""
        return self.name in _LINES

    def is_as_it_lies(self, shape: tuple[int, ...]) -> bool:
        """Whether it leaves the bytes of a constant of this shape as they are."""
        return self.name in _AS_IT_LIES and _AS_IT_LIES[self.name](shape, *self.numbers)


def packing(
    name: str,
    panels: Callable[..., Panels | None] | None = None,
    *,
    in_lines: bool = False,
    as_it_lies: Callable[..., bool] | None = None,
) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Enter a function of arrays, then whole numbers, as a packing. Raises KernelError for a name that is taken.

    panels(view, *numbers) says how a kernel does the same with one constant, or None where it cannot: into panels, or
    `in_lines`. as_it_lies(shape, *numbers) says whether it changes nothing about the bytes of one.
    """

    def enter(function: Callable[..., Array]) -> Callable[..., Array]:
        if name in _FUNCTIONS:
            raise KernelError(f"There are two packings called {name!r}.")
        _FUNCTIONS[name] = function
        if panels is not None:
            _PANELS[name] = panels
        if in_lines:
            _LINES.add(name)
        if as_it_lies is not None:
            _AS_IT_LIES[name] = as_it_lies
        return function

    return enter
