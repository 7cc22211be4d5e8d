"""matplotlib in the one look of all pictures: type, axes, scales, and SVG text.

matplotlib is imported when the first picture is drawn: that costs a third of a second.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from html import escape, unescape
from typing import TYPE_CHECKING, Any

import numpy as np

from nettrain.show.drawing import text_width
from nettrain.show.palette import NAMES, colour, document

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 72.0
_SMALL = 9.0
"""The size of type of names at axes and in keys."""


# ---------------------------------------------------------------- matplotlib


@contextmanager
def sheet() -> Iterator[None]:
    """matplotlib's defaults with our type, whatever the person's own settings are."""
    import matplotlib

    ours = {
        "svg.fonttype": "none",
        "svg.hashsalt": "nettrain",
        "text.parse_math": False,
        "font.family": ["DejaVu Sans"],
        "font.size": 10,
        "text.color": colour("ink"),
        "axes.labelcolor": colour("muted"),
        "xtick.color": colour("pale"),
        "ytick.color": colour("pale"),
        "xtick.labelcolor": colour("muted"),
        "ytick.labelcolor": colour("muted"),
        "axes.edgecolor": colour("pale"),
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "legend.fontsize": 9,
        "legend.frameon": False,
        "lines.linewidth": 1.6,
        "lines.solid_capstyle": "round",
        "path.simplify_threshold": 0.3,
    }
    plain = {
        key: value
        for key, value in matplotlib.rcParamsDefault.items()
        if not key.startswith(("backend", "interactive", "toolbar"))
    }
    with matplotlib.rc_context(plain | ours):
        yield


def figure(width: float, height: float) -> Figure:
    """An empty picture, in pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)


def axes(
    figure: Figure,
    box: tuple[float, float, float, float],
    *,
    title: str = "",
    x: str = "",
    y: str = "",
    grid: str = "y",
) -> Axes:
    """Axes at (left, top, width, height) in pixels, with a quiet frame and grid."""
    left, top, width, height = box
    whole_width, whole_height = (side * _DPI for side in figure.get_size_inches())
    bounds = (
        left / whole_width,
        1 - (top + height) / whole_height,
        width / whole_width,
        height / whole_height,
    )
    made = figure.add_axes(bounds, facecolor="none", axisbelow=True)
    made.spines[["top", "right"]].set_visible(False)
    made.tick_params(length=3, labelsize=9)
    if grid:
        made.grid(axis=grid, color=colour("grid"), linewidth=0.8)
    made.set_title(title, pad=8)
    made.set_xlabel(x, fontsize=9)
    made.set_ylabel(y, fontsize=9)
    return made


def caption(figure: Figure, left: float, top: float, text: str) -> None:
    """What a picture does not say by itself, at a place in pixels."""
    width, height = figure.bbox.width, figure.bbox.height
    figure.text(
        left / width, 1 - top / height, text, fontsize=9, linespacing=1.4,
        verticalalignment="top", color=colour("muted"),
    )  # fmt: skip


def nothing(why: str) -> Picture:
    """A picture of what was not there to be drawn."""
    width, height = 980, 72
    empty = figure(width, height)
    empty.text(56 / width, 0.5, why, fontsize=11, verticalalignment="center")
    return svg(empty, why)


class Picture(str):
    """SVG text that keeps its figure, for those who need a PNG."""

    figure: Figure

    def png(self) -> bytes:
        """The picture on light paper, two pixels to one."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        buffer = io.BytesIO()
        with sheet():
            self.figure.patch.set(visible=True, facecolor=colour("paper"))
            self.figure.set_dpi(2 * _DPI)
            FigureCanvasAgg(self.figure).print_png(buffer, metadata={"Software": None})
        return buffer.getvalue()


def svg(figure: Figure, title: str, data: Any = None) -> Picture:
    """The figure as SVG, text as text; the same bytes for the same data, no date.

    Args:
        figure: drawn.
        title: of the picture.
        data: kept in the picture, to draw it again where it is known nowhere else.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure.patch.set_visible(False)
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)
    text = buffer.getvalue()
    body = text[text.index('<g id="figure_1">') : text.rindex("</svg>")]
    # Ids of groups repeat from picture to picture; several may stand on one page.
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r'style="([^"]*)"', _restyle, body)
    width, height = (side * _DPI for side in figure.get_size_inches())
    if data is not None:
        body = f"<metadata>{escape(json.dumps(data), quote=False)}</metadata>\n{body}"
    picture = Picture(document(body, width, height, title))
    picture.figure = figure
    return picture


def kept(svg: str) -> Any:
    """The data that a picture keeps; None if it has none."""
    found = re.search("<metadata>(.*)</metadata>", svg)
    return None if found is None else json.loads(unescape(found[1]))


def _restyle(match: re.Match[str]) -> str:
    """Turn an inline style's named colours into classes with attributes of light."""
    kept, attributes, classes = [], [], []
    for declaration in match[1].split(";"):
        name, _, value = declaration.strip().partition(": ")
        if name in ("fill", "stroke") and value in NAMES:
            attributes.append(f'{name}="{value}"')
            classes.append(f"nt-{name[0]}-{NAMES[value]}")
        elif name and name != "font-family":
            kept.append(f"{name}:{value}")
    if classes:
        attributes.append(f'class="{" ".join(classes)}"')
    if kept:
        attributes.append(f'style="{";".join(kept)}"')
    return " ".join(attributes)


# ---------------------------------------------------------------- scales and marks


def finite(values: Iterable[Any]) -> np.ndarray:
    """The finite numbers among the values, as one flat array."""
    numbers = np.asarray(values, dtype=float).ravel()
    return numbers[np.isfinite(numbers)]


def spans_decades(values: Iterable[Any], ratio: float = 30.0) -> bool:
    """Whether positive values differ so much that only a log scale shows them."""
    numbers = finite(values)
    return bool(
        numbers.size and numbers.min() > 0 and numbers.max() > ratio * numbers.min()
    )


def number(value: float) -> str:
    """A number as a label has it: `0.02`, `40`, `3.1e-6`."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    mantissa, _, exponent = f"{value:.2g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def power(value: float) -> str:
    """A number of a log scale, where it is a decade with its power: `1`, `20`, `10⁻⁶`.

    Of those that are known by heart 1 and 10 have none.
    """
    if not _is_decade(value) or value in (1, 10):
        return number(value)
    exponent = str(round(math.log10(value)))
    return "10" + exponent.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _is_decade(value: float) -> bool:
    exponent = math.log10(value) if value > 0 else 0.5
    return abs(exponent - round(exponent)) < 1e-6


def log_ticks(axis: Any, ticks: Sequence[float]) -> None:
    """Ticks on a logarithmic axis whose limits are set: all as powers, or none.

    As powers where all are decades, and some are too small or large to be written out.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = sorted(axis.get_view_interval())
    seen = [tick for tick in ticks if low <= tick <= high]
    far = any(not 1e-3 * (1 - 1e-6) <= tick < 1e5 for tick in seen)
    written = power if far and all(map(_is_decade, seen)) else number
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))


def log_axis(axes: Axes, low: float, high: float) -> None:
    """A logarithmic y axis from low to high with a few plain ticks."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    log_ticks(axes.yaxis, log_steps(math.log10(low), math.log10(high)))


def log_steps(first: float, last: float) -> list[float]:
    """A few plain numbers on a logarithmic axis between two powers of ten."""
    stride = max(1, math.ceil((last - first) / 7))
    decades = [
        e for e in range(math.ceil(first), math.floor(last) + 1) if e % stride == 0
    ]
    steps = (
        (1,)
        if len(decades) > 2
        else (1, 2, 5)
        if last - first > 0.7
        else (1, 2, 3, 5, 7)
    )
    shown = (
        decades if len(steps) == 1 else range(math.floor(first), math.ceil(last) + 1)
    )
    return [m * 10.0**e for e in shown for m in steps]


def linear_axis(axis: Any, ticks: int = 6) -> None:
    """A few round ticks on an axis, written without offset."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(round(value, 10))))


def epoch_axis(axes: Axes, time: np.ndarray, ticks: int) -> None:
    """An x axis from 0 to the last of times in epochs, with ticks at whole epochs.

    Where there are fewer than two epochs they stand between.
    """
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(0, max(time.max(initial=0), 1e-9))
    linear_axis(axes.xaxis, ticks)
    axes.xaxis.set_major_locator(
        MaxNLocator(ticks, integer=True, min_n_ticks=3, steps=[1, 2, 5, 10])
    )


def marker(count: int) -> str | None:
    """How the points of a line are drawn: of many only the line is."""
    return "o" if count <= 12 else None


def small_width(text: str) -> float:
    """Pixels that a name takes at an axis, at most."""
    return text_width(text, _SMALL)


def fitted(names: Sequence[str], room: float) -> list[str]:
    """Paths in so many pixels of small type, `…` for pieces between their ends.

    Of the beginning two pieces stay, such as a block and its number, or fewer where
    different paths would look alike.
    """
    for head in (2, 1, 0):
        made = [_fitted(name, room, head) for name in names]
        if len(set(made)) == len(set(names)):
            return made
    return [_cut(name, room) for name in names]


def _fitted(name: str, room: float, head: int) -> str:
    """The path with that many pieces of its beginning, and its end."""
    if small_width(name) <= room:
        return name
    pieces = name.split("/")
    for tail in range(len(pieces) - head - 1, 0, -1):
        short = "/".join([*pieces[:head], "…", *pieces[-tail:]])
        if small_width(short) <= room:
            return short
    return _cut(name, room)


def _cut(name: str, room: float) -> str:
    """The first and the last letters of a name that is too long, one at least."""
    half = max(1, int(room / small_width("n")) // 2)
    return name if small_width(name) <= room else f"{name[:half]}…{name[-half:]}"


def layer_ticks(
    axis: Any,
    names: Sequence[str],
    room: float,
    *,
    at: float = 0,
    upright: bool = False,
) -> None:
    """Name the positions at, at + 1, …, leaving out names where `room` pixels are few.

    Args:
        upright: whether the names stand below each other instead of side by side.
    """
    size = 13.0 if upright else 6.0 * max(map(len, names)) + 10
    stride = max(1, math.ceil(len(names) * size / room))
    places = [at + i for i in range(0, len(names), stride)]
    axis.set_ticks(places, [*names[::stride]])


def cells(axes: Axes, classes: np.ndarray, colours: Sequence[str]) -> None:
    """A map of coloured cells: classes (rows, columns) of indices into `colours`.

    Cell (i, j) covers x in [j, j+1], y in [i, i+1]. Each colour is one path and equal
    neighbours of a row are one rectangle, so a large map stays a small file. A cell of
    -1 is left out.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    codes = (Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY)
    for index, name in enumerate(colours):
        corners = [
            corner
            for row, line in enumerate(classes == index)
            for start, end in _runs(line)
            for corner in _corners(start, end, row)
        ]
        if corners:
            path = Path(np.array(corners, float), codes * (len(corners) // 5))
            # Smoothed edges would leave seams between neighbouring rectangles.
            patch = PathPatch(path, facecolor=colour(name), linewidth=0, aa=False)
            axes.add_patch(patch)


def _corners(start: int, end: int, row: int) -> tuple[tuple[int, int], ...]:
    """The outline of a rectangle one row high, closed."""
    first = (start, row)
    return first, (end, row), (end, row + 1), (start, row + 1), first


def _runs(line: np.ndarray) -> list[tuple[int, int]]:
    """Start and end of each stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], line.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
