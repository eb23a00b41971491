"""Pictures and volumes with channels last as convolutions see them: where they start, and how far apart things lie."""

from dataclasses import dataclass

from intab.graph.dims import Dim, Shape, dense_strides
from intab.kernels.families.guard import GUARDED_AXES, guard_words
from intab.ops.layout import in_rows, row_step
from intab.ops.lowering import Place


@dataclass(frozen=True, slots=True)
class Picture:
    """The place of its first element, and the elements between its images, planes, lines and pixels.

    `row` is the distance between pixels where all of them are equally far apart, else None.
    """

    place: Place
    image: Dim
    plane: Dim
    line: Dim
    pixel: Dim
    row: Dim | None


@dataclass(frozen=True, slots=True)
class Margin:
    """What windows see beyond a picture: its sizes, of planes, lines and pixels, and the zeros before and behind."""

    sizes: tuple[Dim, Dim, Dim]
    begins: tuple[Dim, Dim, Dim]
    ends: tuple[Dim, Dim, Dim]

    def around(self, axis: str) -> bool:
        """Whether there are any along an axis."""
        number = GUARDED_AXES.index(axis)
        return self.begins[number] != 0 or self.ends[number] != 0

    def words(self, axis: str, stride: Dim, dilation: Dim) -> dict[str, Dim]:
        """What a kernel is told of an axis along which its windows have this stride and dilation."""
        number = GUARDED_AXES.index(axis)
        return dict(zip(guard_words(axis), (self.sizes[number], self.begins[number], stride, dilation), strict=True))

    def before(self, picture: Picture) -> Dim:
        """Elements from where the first window starts to the picture's first element."""
        planes, lines, pixels = self.begins
        return planes * picture.plane + lines * picture.line + pixels * picture.pixel


def plain_picture(place: Place, sizes: Shape) -> Picture:
    """A picture of [images, planes, lines, pixels, channels] with nothing in between."""
    image, plane, line, pixel, _ = dense_strides(sizes)
    return Picture(place, image, plane, line, pixel, pixel)


def picture_of(place: Place, shape: Shape) -> Picture:
    """A value [N, *spatial, C] of one to three spatial axes, wherever it lies."""
    if place.layout is None:
        return plain_picture(place, (shape[0], *(1,) * (5 - len(shape)), *shape[1:]))
    image, *spatial, _ = place.layout.strides
    plane, line, pixel = (*[image] * (3 - len(spatial)), *spatial)
    return Picture(place, image, plane, line, pixel, row_step(place, shape) if in_rows(shape, place.layout) else None)
