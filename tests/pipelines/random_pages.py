"""Any number of pages with known text, each drawn from its seed: sizes, angles, papers, blur and noise vary."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tests.pipelines.pages import RenderedPage, page_font

WORDS = (
    "about above after again along anchor apple autumn basket before behind bridge butter candle carry castle chapter "
    "clever cloud corner cotton dinner distance dozen early eight engine evening family feather finger forest garden "
    "glass gravel hammer harvest hundred island January journey kettle kitchen ladder lantern letter market meadow "
    "mountain needle nothing number ocean orange paper pencil people picture pocket quarter quiet railway river saddle "
    "season silver sister square station summer Sunday table thunder ticket Tuesday twelve under valley velvet village "
    "window winter wonder yellow yesterday"
).split()
PHRASES = (
    "今天 明天 我们 他们 学校 老师 学生 城市 火车 飞机 早上 晚上 春天 秋天 喜欢 知道 已经 开始 电话 地址 时间 地方 "
    "朋友 中国 世界 工作 问题 公司"
).split()
PAPERS = (("#101010", "#ffffff"), ("#2b2b2b", "#f3ead8"), ("#f5f5f0", "#20304a"), ("#7d7a72", "#c9c5ba"))


def random_page(seed: int) -> RenderedPage:
    """A page of 3 to 10 lines, every third in Chinese; its name says what is hard about it."""
    rng = np.random.default_rng(seed)
    chinese, size = seed % 3 == 2, int(rng.integers(13, 42))
    lines = [_line(rng, chinese=chinese) for _ in range(int(rng.integers(3, 11)))]
    ink, paper = PAPERS[int(rng.integers(len(PAPERS)))]
    page = _draw(lines, size, ink, paper, chinese=chinese, spacing=float(rng.uniform(1.4, 2.2)))
    angle = float(rng.choice([0.0, rng.normal(0, 2.5)]))
    page = page.rotate(angle, Image.Resampling.BICUBIC, fillcolor=paper)
    blur, noise = float(rng.choice([0.0, rng.uniform(0, size / 14)])), float(rng.choice([0.0, rng.uniform(0, 25)]))
    pixels = np.asarray(page.filter(ImageFilter.GaussianBlur(blur)), np.float64)
    picture = np.clip(pixels + rng.normal(0, 1, pixels.shape) * noise, 0, 255).astype(np.uint8)
    script = "Chinese" if chinese else "English"
    name = f"{seed}: {script}, {size} px, {angle:+.1f} degrees, blur {blur:.1f}, noise {noise:.0f}, {ink} on {paper}"
    return RenderedPage(name, picture, tuple(lines))


def _line(rng: np.random.Generator, *, chinese: bool) -> str:
    if chinese:
        return "".join(rng.choice(PHRASES, int(rng.integers(3, 9)))) + str(rng.choice(["。", "，", "！", "2026"]))
    words = [str(word) for word in rng.choice(WORDS, int(rng.integers(3, 9)))]
    words[int(rng.integers(len(words)))] = str(int(rng.integers(1, 100_000)))
    return " ".join(words).capitalize() + str(rng.choice([".", "!", "?", ","]))


def _draw(lines: Sequence[str], size: int, ink: str, paper: str, *, chinese: bool, spacing: float) -> Image.Image:
    font, margin, step = page_font(size, chinese=chinese), 2 * size, round(size * spacing)
    width = max(round(font.getlength(line)) for line in lines)
    page = Image.new("RGB", (width + 2 * margin, step * len(lines) + 2 * margin), paper)
    draw = ImageDraw.Draw(page)
    for row, line in enumerate(lines):
        draw.text((margin, margin + row * step), line, ink, font=font)
    return page
