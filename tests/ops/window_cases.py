"""Cases of convolutions, poolings and resizings."""

import numpy as np

from intab.graph.dims import symbol
from intab.graph.ir import Attribute, Graph
from tests.ops.bodies import activation, epilogue
from tests.ops.case import Numbers, OpCase, floats

N, H, W = map(symbol, "NHW")


def conv(
    name: str,
    x: tuple[int, ...],
    w: tuple[int, ...],
    *,
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    group: int = 1,
    layout: str = "NHWC",
    bias: bool = True,
    then: Graph | None = None,
    extra: Numbers | None = None,
    op: str = "Conv",
    kernel: bool = True,
    constants: tuple[int, ...] = (1, 2),
    **more: Attribute,
) -> OpCase:
    ones = (1,) * (len(x) - 2)
    attributes: dict[str, Attribute] = {
        "strides": strides or ones,
        "pads": pads or (0,) * 2 * len(ones),
        "dilations": dilations or ones,
        "group": group,
        "layout": layout,
        **more,
    }
    features = w[0] if op == "Conv" else w[1] * group
    inputs: list[Numbers | None] = [floats(*x), floats(*w, seed=2) / 4, floats(features, seed=3) if bias else None]
    if then is not None:
        attributes["epilogue"] = then
    if extra is not None:
        inputs.append(extra)
    axes = {(0, 0): "N", **{(0, i): f"S{i}" for i in (range(2, len(x)) if layout == "NCHW" else range(1, len(x) - 1))}}
    if op == "ConvTranspose":
        attributes.setdefault("output_padding", (0,) * len(ones))
    return OpCase(f"{op}-{name}", op, attributes, inputs, axes, constants, kernel, 1e-5)


CONV = [
    conv("3x3", (1, 6, 7, 5), (9, 3, 3, 5), pads=(1, 1, 1, 1)),
    conv("3x3-stride", (2, 7, 6, 3), (8, 3, 3, 3), pads=(1, 1, 1, 1), strides=(2, 2), then=activation("HardSwish")),
    conv("pads-differ", (1, 5, 6, 4), (4, 2, 3, 4), pads=(0, 1, 1, 2), strides=(2, 1), bias=False),
    conv("1x1", (2, 3, 4, 10), (12, 1, 1, 10), then=activation()),
    conv("1x1-residual", (1, 3, 4, 10), (8, 1, 1, 10), then=epilogue(), extra=floats(1, 3, 4, 8, seed=5)),
    conv("1x1-stride", (1, 5, 5, 4), (8, 1, 1, 4), strides=(2, 2)),
    conv("dilated", (1, 8, 9, 4), (8, 3, 3, 4), pads=(2, 2, 2, 2), dilations=(2, 2)),
    conv("depthwise", (1, 6, 7, 8), (8, 3, 3, 1), pads=(1, 1, 1, 1), group=8),
    conv("depthwise-5x5-stride", (2, 7, 8, 12), (12, 5, 5, 1), pads=(2, 2, 2, 2), strides=(2, 2), group=12),
    conv("depthwise-3-channels", (1, 5, 5, 3), (3, 3, 3, 1), pads=(1, 1, 1, 1), group=3),
    conv("depthwise-multiplier", (1, 5, 5, 4), (8, 3, 3, 1), pads=(1, 1, 1, 1), group=4),
    conv("grouped", (1, 5, 6, 8), (12, 3, 3, 4), pads=(1, 1, 1, 1), group=2),
    conv("line", (2, 9, 4), (6, 3, 4), strides=(2,), pads=(1, 1)),
    conv("line-depthwise", (2, 9, 6), (6, 5, 1), pads=(4, 0), dilations=(2,), group=6),
    conv("volume", (2, 4, 5, 6, 3), (8, 2, 3, 3, 3), strides=(1, 2, 1), pads=(1, 1, 0, 0, 1, 2), then=activation()),
    conv("volume-dilated", (1, 6, 5, 7, 4), (5, 3, 2, 2, 4), dilations=(2, 1, 3), pads=(1, 0, 2, 2, 1, 0)),
    conv("volume-strided", (2, 7, 4, 5, 5), (9, 3, 1, 2, 5), strides=(2, 1, 3), dilations=(2, 2, 1)),
    conv("volume-1x1x1", (2, 3, 4, 2, 6), (7, 1, 1, 1, 6)),
    conv("volume-1x1x1-stride", (1, 5, 4, 3, 6), (7, 1, 1, 1, 6), strides=(2, 1, 1)),
    conv("volume-grouped", (1, 4, 3, 5, 6), (4, 2, 2, 3, 3), pads=(0, 1, 1, 1, 0, 1), group=2),
    conv("volume-depthwise", (2, 5, 4, 6, 8), (8, 3, 3, 3, 1), strides=(2, 1, 1), pads=(1,) * 6, group=8),
    conv("volume-depthwise-plane", (2, 5, 4, 6, 3), (3, 1, 3, 3, 1), strides=(2, 1, 2), pads=(0, 1, 1) * 2, group=3),
    conv("volume-depthwise-line", (2, 5, 2, 3, 5), (5, 3, 1, 1, 1), dilations=(2, 1, 1), group=5, bias=False),
    conv(
        "winograd", (2, 9, 10, 8), (12, 3, 3, 8), pads=(1, 1, 1, 1), then=epilogue(), extra=floats(2, 9, 10, 12, seed=5)
    ),
    conv("winograd-pads-differ", (1, 7, 6, 12), (9, 3, 3, 12), pads=(0, 2, 1, 1), bias=False),
    conv("winograd-empty-batch", (0, 5, 5, 8), (8, 3, 3, 8), pads=(1, 1, 1, 1)),
    conv("nchw", (1, 5, 6, 7), (9, 5, 3, 3), pads=(1, 1, 1, 1), layout="NCHW", then=activation(), kernel=False),
    conv("nchw-depthwise", (1, 6, 6, 7), (6, 1, 3, 3), pads=(1, 1, 1, 1), group=6, layout="NCHW", kernel=False),
    conv("empty-batch", (0, 5, 5, 4), (8, 3, 3, 4), pads=(1, 1, 1, 1)),
]
CONV_TRANSPOSE = [
    conv("2x2", (1, 4, 5, 6), (6, 4, 2, 2), strides=(2, 2), op="ConvTranspose", output_padding=(0, 0)),
    conv(
        "3x3-padded",
        (2, 4, 3, 5),
        (5, 8, 3, 3),
        strides=(2, 2),
        pads=(1, 1, 1, 1),
        op="ConvTranspose",
        output_padding=(1, 1),
        then=activation("Sigmoid"),
    ),
    conv(
        "nchw",
        (1, 6, 4, 5),
        (6, 1, 2, 2),
        strides=(2, 2),
        op="ConvTranspose",
        output_padding=(0, 0),
        layout="NCHW",
        kernel=False,
    ),
    conv("overlap", (1, 4, 4, 3), (3, 4, 4, 4), strides=(1, 1), op="ConvTranspose", output_padding=(0, 0)),
    *(
        conv(name, x, w, op="ConvTranspose", **more)
        for name, x, w, more in (
            ("grouped", (2, 3, 4, 4), (4, 3, 2, 2), {"strides": (2, 2), "group": 2}),
            ("grouped-fused", (1, 3, 4, 6), (6, 5, 3, 2), {"pads": (1, 0, 0, 1), "group": 3, "then": activation()}),
            ("depthwise", (2, 4, 3, 9), (9, 1, 4, 4), {"strides": (2, 2), "pads": (1,) * 4, "group": 9}),
            ("depthwise-computed", (1, 4, 3, 5), (5, 1, 2, 3), {"strides": (2, 1), "group": 5, "constants": ()}),
            ("computed", (1, 3, 4, 4), (4, 3, 3, 2), {"strides": (2, 3), "group": 2, "constants": ()}),
            ("computed-bias", (1, 3, 4, 4), (4, 3, 2, 2), {"strides": (2, 2), "constants": (1,)}),
            ("line", (2, 5, 4), (4, 6, 4), {"strides": (2,), "pads": (1, 1), "output_padding": (1,)}),
            ("line-apart", (2, 5, 4), (4, 6, 3), {"strides": (3,)}),
            ("line-dilated", (2, 5, 4), (4, 3, 3), {"strides": (3,), "dilations": (2,), "group": 2}),
            ("volume-apart", (2, 3, 2, 4, 5), (5, 3, 2, 1, 3), {"strides": (2, 1, 3)}),
            ("volume", (1, 2, 3, 4, 4), (4, 5, 3, 2, 4), {"strides": (2, 1, 2), "pads": (1, 0, 1, 1, 1, 1)}),
            (
                "volume-depthwise",
                (1, 2, 3, 4, 4),
                (4, 1, 2, 3, 2),
                {"strides": (2, 2, 1), "dilations": (1, 1, 2), "output_padding": (1, 0, 0), "group": 4},
            ),
        )
    ),
]


def pool(name: str, op: str, x: Numbers, **attributes: Attribute) -> OpCase:
    rank = x.ndim - 2
    layout = attributes.get("layout", "NHWC")
    made = {"strides": (1,) * rank, "pads": (0,) * 2 * rank, "dilations": (1,) * rank, "layout": layout, **attributes}
    spatial = range(2, x.ndim) if layout == "NCHW" else range(1, x.ndim - 1)
    axes = {(0, 0): "N", **{(0, i): f"S{i}" for i in spatial}}
    return OpCase(f"{op}-{name}", op, made, [x], axes)


PICTURES, VOLUMES = floats(2, 7, 8, 5), floats(2, 5, 6, 4, 5)
POOL = [
    pool("2x2", "MaxPool", PICTURES, kernel=(2, 2), strides=(2, 2)),
    pool("padded", "MaxPool", PICTURES, kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1)),
    pool("ceil", "MaxPool", PICTURES, kernel=(2, 3), strides=(2, 2), ceil_mode=True),
    pool("dilated", "MaxPool", PICTURES, kernel=(2, 2), dilations=(2, 3)),
    pool("nchw", "MaxPool", floats(2, 5, 6, 7), kernel=(3, 2), strides=(2, 1), pads=(1, 0, 1, 1), layout="NCHW"),
    pool("line", "MaxPool", floats(2, 9, 5), kernel=(3,), strides=(2,), pads=(1, 1)),
    *(
        pool(f"{octets.dtype}", "MaxPool", octets, kernel=(3, 2), strides=(1, 1), pads=(1, 1, 1, 0))
        for octets in (np.rint(PICTURES * 30).astype(np.int8), np.rint(PICTURES * 30 + 128).astype(np.uint8))
    ),
    pool("2x2", "AveragePool", PICTURES, kernel=(2, 2), strides=(2, 2)),
    pool("padded", "AveragePool", PICTURES, kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1)),
    pool("counted", "AveragePool", PICTURES, kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1), count_include_pad=True),
    pool("ceil", "AveragePool", PICTURES, kernel=(2, 3), strides=(2, 2), ceil_mode=True),
    pool(
        "ceil-counted",
        "AveragePool",
        PICTURES,
        kernel=(3, 3),
        strides=(2, 2),
        pads=(1, 1, 0, 0),
        ceil_mode=True,
        count_include_pad=True,
    ),
    pool("volume", "MaxPool", VOLUMES, kernel=(2, 3, 2), strides=(1, 2, 1), pads=(1, 0, 1, 0, 1, 1)),
    pool("volume-nchw", "MaxPool", VOLUMES, kernel=(2, 2, 2), dilations=(2, 1, 2), layout="NCHW"),
    pool("volume", "AveragePool", VOLUMES, kernel=(3, 2, 2), strides=(2, 1, 2), pads=(1, 1, 0, 1, 0, 1)),
    pool(
        "volume-counted",
        "AveragePool",
        VOLUMES,
        kernel=(3, 2, 2),
        strides=(2, 2, 2),
        pads=(1, 1, 0, 1, 0, 1),
        ceil_mode=True,
        count_include_pad=True,
    ),
]


def resize(name: str, x: Numbers = PICTURES, kernel: bool = True, **attributes: Attribute) -> OpCase:
    return OpCase(f"Resize-{name}", "Resize", attributes, [x], kernel=kernel, tolerance=1e-5)


UP, DOWN, ODD = (2, 14, 16, 5), (2, 4, 3, 5), (2, 10, 13, 5)
TRANSFORMS = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")
RESIZE = [
    *(resize(f"linear-{c}", sizes=ODD, mode="linear", coordinates=c) for c in TRANSFORMS),
    *(resize(f"nearest-{c}", sizes=UP, mode="nearest", coordinates=c, nearest="floor") for c in TRANSFORMS),
    *(
        resize(f"nearest-{n}", sizes=DOWN, mode="nearest", coordinates="half_pixel", nearest=n)
        for n in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    ),
    resize(
        "scales",
        sizes=(2, 8, 12, 5),
        scales=(1.0, 1.2, 1.6, 1.0),
        mode="linear",
        coordinates="half_pixel",
    ),
    resize("one-axis", sizes=(2, 7, 13, 5), mode="linear", coordinates="asymmetric"),
    resize("same", sizes=(2, 7, 8, 5), mode="linear", coordinates="half_pixel"),
    *(
        resize(f"cubic-{c}", floats(2, 3, 5, 6), sizes=(2, 3, 9, 4), mode="cubic", coordinates=c)
        for c in TRANSFORMS[:4]
    ),
    resize("cubic-one-axis", floats(2, 3, 5, 6), sizes=(2, 3, 11, 6), mode="cubic", coordinates="half_pixel"),
    resize(
        "cubic-scales",
        floats(2, 3, 5, 6),
        sizes=(2, 3, 8, 10),
        scales=(1.0, 1.0, 1.65, 1.75),
        mode="cubic",
        coordinates="half_pixel",
    ),
    resize(
        "cubic-inside",
        floats(1, 1, 5, 6),
        sizes=(1, 1, 9, 4),
        mode="cubic",
        coordinates="half_pixel",
        exclude_outside=True,
        cubic_coefficient=-0.5,
    ),
    OpCase(
        "Resize-nchw-doubled",
        "Resize",
        {"sizes": (N, 3, H * 2, W * 2), "scales": (1.0, 1.0, 2.0, 2.0), "mode": "nearest", "coordinates": "asymmetric"},
        [floats(2, 3, 4, 5)],
        {(0, 0): "N", (0, 2): "H", (0, 3): "W"},
    ),
]

WINDOW_CASES = [*CONV, *CONV_TRANSPOSE, *POOL, *RESIZE]
