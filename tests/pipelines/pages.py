"""Pages with known text, drawn the same way each time: what OCR meets in life, without its copyright.

`render_pages()` serves the host tests and the browser's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from prepare.machine import find_font

Picture = NDArray[np.uint8]

PROSE = (
    "The lighthouse keeper wrote a line each evening:",
    "wind from the north-west, sea rough, 3 ships passed.",
    "On 14 March 1897 the lamp went out at 02:15,",
    "and he carried oil up all 217 steps by hand.",
    '"Nobody noticed," he noted, "which is the point."',
    "Repairs: $48.50 for glass, $6.25 for wick & oil.",
)
LEFT_COLUMN = (
    "Bread and salt",
    "500 g flour, 350 ml water",
    "10 g salt, 3 g yeast",
    "Rest it for 12 hours",
    "Bake at 240 degrees",
)  # fmt: skip
RIGHT_COLUMN = (
    "Onion soup",
    "1 kg onions, sliced thin",
    "60 g butter, a bay leaf",
    "Simmer for 45 minutes",
    "Serve with old cheese",
)  # fmt: skip
CHINESE = (
    "今天天气很好，我们去公园散步。",
    "图书馆每天早上八点开门，",
    "晚上九点半关门，周一休息。",
    "请出示您的借书证，谢谢合作！",
    "电话：010-65891234",
)
SMALL_PRINT = (
    "1. The licence is granted without charge and may be withdrawn at thirty days' notice in writing.",
    "2. Copies may be made for private study, provided that this notice stays with each of them.",
    "3. No warranty is given, and none is implied, as to fitness for any particular purpose.",
    "4. Disputes are heard where the licensor lives; the law of that place applies to them.",
    "5. If one clause falls, the others stand. Amendments need the signature of both parties.",
)
RECEIPT = (
    "CORNER STORE No. 42",
    "Milk 1.5%      2 x 1.19",
    "Rye bread          3.45",
    "Coffee 250g        6.99",
    "TOTAL EUR         12.82",
    "Thank you, come again!",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class RenderedPage:
    """A picture uint8 RGB [H, W, 3], and the lines on it in reading order (row by row)."""

    name: str
    picture: Picture
    truth_lines: tuple[str, ...]


def render_pages() -> list[RenderedPage]:
    """Seven pages, each hard in its own way. Raises AssertionError when there is no font with Chinese."""
    columns = [line for pair in zip(LEFT_COLUMN, RIGHT_COLUMN, strict=True) for line in pair]
    drawers: Sequence[tuple[str, Callable[[], Image.Image], Sequence[str]]] = (
        ("plain", lambda: _lines(PROSE, size=28), PROSE),
        ("rotated", lambda: _lines(PROSE, size=26).rotate(4, Image.Resampling.BICUBIC, fillcolor="white"), PROSE),
        ("two columns", _two_columns, columns),
        ("chinese", lambda: _lines(CHINESE, size=34, chinese=True), CHINESE),
        ("small print", lambda: _lines(SMALL_PRINT, size=13), SMALL_PRINT),
        ("low contrast", lambda: _lines(PROSE, size=28, ink="#a9a59c", paper="#c6c2b8"), PROSE),
        ("photo", lambda: _photograph(_lines(RECEIPT, size=32, paper="#f3ead8")), RECEIPT),
    )
    return [RenderedPage(name, np.array(draw().convert("RGB")), tuple(truth)) for name, draw, truth in drawers]


def page_font(size: int, *, chinese: bool) -> ImageFont.FreeTypeFont:
    """Pillow's own Latin font, or the machine's Chinese one."""
    if chinese:
        path = find_font()
        assert path is not None, "no font with Chinese characters: run python3 scripts/setup.py"
        return ImageFont.truetype(str(path), size)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return font


def _lines(
    lines: Sequence[str], *, size: int, ink: str = "#1a1a1a", paper: str = "white", chinese: bool = False
) -> Image.Image:
    """Lines one below the other, with a margin."""
    font = page_font(size, chinese=chinese)
    margin, step = 2 * size, round(size * 1.7)
    width = max(round(font.getlength(line)) for line in lines)
    page = Image.new("RGB", (width + 2 * margin, step * len(lines) + 2 * margin), paper)
    draw = ImageDraw.Draw(page)
    for row, line in enumerate(lines):
        draw.text((margin, margin + row * step), line, ink, font=font)
    return page


def _two_columns() -> Image.Image:
    left, right = _lines(LEFT_COLUMN, size=24), _lines(RIGHT_COLUMN, size=24)
    page = Image.new("RGB", (left.width + right.width, left.height), "white")
    page.paste(left, (0, 0))
    page.paste(right, (left.width, 0))
    return page


def _photograph(page: Image.Image) -> Image.Image:
    """As if taken by hand: askew, out of focus, unevenly lit, with the noise of a small sensor."""
    width, height = page.size
    corners = (-0.03, -0.05, 0.04, 1.06, 1.02, 0.98, 0.97, 0.03)  # upper left, lower left, lower right, upper right
    quad = tuple(part * (height if i % 2 else width) for i, part in enumerate(corners))
    taken = page.transform(page.size, Image.Transform.QUAD, quad, Image.Resampling.BICUBIC, fillcolor="#5b4a3c")
    taken = taken.filter(ImageFilter.GaussianBlur(1.3))
    light = np.linspace(0.72, 1.0, width)[None, :, None]
    noise = np.random.default_rng(20).normal(0.0, 9.0, (height, width, 3))
    return Image.fromarray(np.clip(np.asarray(taken) * light + noise, 0, 255).astype(np.uint8))
