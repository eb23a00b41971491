"""Words and sizes of the text form of a graph; `graph.parse` reads graphs made of them."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from intab.errors import IntabError, ModelFormatError
from intab.graph.dims import Dim, floor_div, maximum, minimum, remainder, symbol
from intab.graph.text import PLAIN_NAME

TOKEN = re.compile(
    rf"""(?P<space>(?:\s|\#[^\n]*)+)
    |(?P<value>%(?:{PLAIN_NAME.pattern}|"(?:[^"\\\n]|\\.)*"))
    |(?P<string>"(?:[^"\\\n]|\\.)*")
    |(?P<quoted>`(?:[^`\\\n]|\\.)*`)
    |(?P<float>\d+(?:\.\d*(?:e[+-]?\d+)?|e[+-]?\d+)|\binf\b|\bnan\b)
    |(?P<int>\d{{1,40}})
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign>->|//|==|[()\[\]{{}}<>=:,+*%@-])""",
    re.VERBOSE,
)

# Deeper nesting than any graph has; beyond it Python's own stack would overflow.
_DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    line: int


def tokens(text: str) -> list[Token]:
    found: list[Token] = []
    line, position = 1, 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise ModelFormatError(f"graph text, line {line}: {text[position : position + 20]!r} cannot be read.")
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, match.group(), line))
        line += match.group().count("\n")
        position = match.end()
    found.append(Token("end", "the end of the text", line))
    return found


class Cursor:
    """Where a reader stands among the tokens of a text. All errors are ModelFormatErrors that name the line."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens(text)
        self._next = 0
        self._depth = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._next]

    @property
    def following(self) -> Token:
        return self._tokens[min(self._next + 1, len(self._tokens) - 1)]

    def skip(self) -> None:
        self._next += 1

    def error(self, message: str, line: int | None = None) -> ModelFormatError:
        return ModelFormatError(f"graph text, line {line or self.token.line}: {message}")

    def take(self, kind: str, what: str) -> str:
        token = self.token
        if token.kind != kind:
            raise self.error(f"expected {what}, found {token.text!r}.")
        self._next += 1
        return token.text

    def accept(self, sign: str) -> bool:
        if self.token.text != sign or self.token.kind not in ("sign", "word"):
            return False
        self._next += 1
        return True

    def expect(self, sign: str) -> None:
        if not self.accept(sign):
            raise self.error(f"expected {sign!r}, found {self.token.text!r}.")

    def expect_end(self) -> None:
        if self.token.kind != "end":
            raise self.error(f"expected the end, found {self.token.text!r}.")

    def string(self, quoted: str) -> str:
        try:
            decoded = json.loads(quoted)
        except json.JSONDecodeError as error:
            raise self.error(f"{quoted} is not a well-formed string: {error}.") from error
        return str(decoded)

    def deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.error("nested too deeply.")

    def shallower(self) -> None:
        self._depth -= 1

    def dims(self, end: str) -> tuple[Dim, ...]:
        dims: list[Dim] = []
        while not self.accept(end):
            dims.append(self.dim())
            if self.token.text != end:
                self.expect(",")
        return tuple(dims)

    def whole(self, dim: Dim) -> int:
        if not isinstance(dim, int) or dim < 0:
            raise self.error(f"a constant's size must be a number, not {dim}.")
        return dim

    def dim(self) -> Dim:
        self.deeper()
        result = self._product()
        while self.token.text in ("+", "-"):
            if self.accept("+"):
                result = result + self._product()
            else:
                self.expect("-")
                result = result - self._product()
        self.shallower()
        return result

    def _product(self) -> Dim:
        result = self._factor()
        while self.token.kind == "sign" and self.token.text in _PRODUCTS:
            operation = _PRODUCTS[self.token.text]
            self._next += 1
            try:
                result = operation(result, self._factor())
            except (IntabError, ZeroDivisionError) as error:
                raise self.error(f"this size cannot be worked out: {error}") from error
        return result

    def _factor(self) -> Dim:
        return -self._unsigned() if self.accept("-") else self._unsigned()

    def _unsigned(self) -> Dim:
        token = self.token
        if token.kind == "int":
            self._next += 1
            return int(token.text)
        if token.kind == "quoted":
            self._next += 1
            return symbol(self.string(f'"{token.text[1:-1]}"'))
        if self.accept("("):
            result = self.dim()
            self.expect(")")
            return result
        word = self.take("word", "a size")
        if word in ("max", "min"):
            self.expect("(")
            left = self.dim()
            self.expect(",")
            right = self.dim()
            self.expect(")")
            return maximum(left, right) if word == "max" else minimum(left, right)
        return symbol(word)


_PRODUCTS: dict[str, Callable[[Dim, Dim], Dim]] = {
    "*": lambda left, right: left * right,
    "//": floor_div,
    "%": remainder,
}
