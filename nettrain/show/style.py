"""One look for all pictures: colours for light and dark, type, axes, SVG and PNG bytes.

A picture is drawn once, in the light colours of `COLOURS`. In the SVG each of these
colours becomes a class beside the attribute, and the embedded style sheet replaces it
where the reader prefers dark. The picture brings its own paper, so it is readable on any
page, and where a viewer knows nothing of dark it is simply light.

Hues are those of Okabe & Ito (2008), "Color universal design", which people with any
common colour vision tell apart, lightened for dark paper; ramps change in lightness.
matplotlib is imported when the first picture is drawn: it costs a third of a second.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONTS = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"

COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#10141a"),
    "ink": ("#1f2429", "#e8edf2"),
    "muted": ("#5f6870", "#9aa5b1"),
    "grid": ("#e4e8ec", "#262d36"),
    "pale": ("#c9d1d8", "#454f5b"),
    "blue": ("#0072b2", "#56b4e9"),
    "orange": ("#d97706", "#f2a93b"),
    "green": ("#00855f", "#2fc79a"),
    "red": ("#c94f00", "#ff8a50"),
    "purple": ("#a8467f", "#e08fc0"),
    "sky": ("#3a9bd9", "#8fd0f7"),
    "brown": ("#7a5c2e", "#c9a66b"),
    "pale_blue": ("#b3d4ea", "#27587c"),
    "pale_red": ("#f3c9ad", "#6b3a1e"),
    "pale_purple": ("#e3c0d5", "#57304a"),
    "healthy": ("#dcefe7", "#123a2e"),
}
"""Name -> colour on light and on dark paper; the light ones are all different."""

SERIES = ("blue", "orange", "green", "purple", "sky", "red", "brown", "muted")
"""Colours of unordered series, in the order in which they are taken."""

_TIME = (
    ("#b9d7ee", "#234a66"),
    ("#94c0e2", "#2d6085"),
    ("#6da8d6", "#3977a5"),
    ("#478fc8", "#478fc4"),
    ("#2776b6", "#5ea8df"),
    ("#155d9b", "#82c1ef"),
    ("#0d457b", "#abd8f8"),
    ("#082e58", "#d8eeff"),
)
_HEAT = (
    ("#fdf3df", "#20180c"),
    ("#fbe0b0", "#3d2a0e"),
    ("#f7c77e", "#61400f"),
    ("#efa851", "#8a5710"),
    ("#df8734", "#b37016"),
    ("#c56624", "#d68d29"),
    ("#9f481d", "#eeae4f"),
    ("#742f18", "#f9cf85"),
    ("#481c12", "#fdedc8"),
)
COLOURS |= {f"time{i}": pair for i, pair in enumerate(_TIME)}
COLOURS |= {f"heat{i}": pair for i, pair in enumerate(_HEAT)}

HEATS = len(_HEAT)
_NAMES = {light: name for name, (light, _) in COLOURS.items()}
_DPI = 72.0


def colour(name: str) -> str:
    """The light colour of that name, which the SVG turns into a class."""
    return COLOURS[name][0]


def ramp(count: int) -> list[str]:
    """`count` colours from faint to strong, for an order such as epochs or depth."""
    last = len(_TIME) - 1
    return [colour(f"time{round(last * (i + 1) / count)}") for i in range(count)]


def css() -> str:
    """The style sheet of every picture: its type, and each colour in the dark.

    The colour rules name no ancestor: what `<use>` copies would have lost it.
    """
    dark = "".join(
        f".nt-f-{name}{{fill:{on_dark}}}.nt-s-{name}{{stroke:{on_dark}}}"
        for name, (_, on_dark) in COLOURS.items()
    )
    return (
        f"svg.nettrain text{{font-family:{FONTS}}}"
        f"@media (prefers-color-scheme:dark){{{dark}}}"
    )


def paint(fill: str | None = None, stroke: str | None = None) -> str:
    """SVG attributes for named colours; `None` paints nothing."""
    parts = []
    for attribute, name in (("fill", fill), ("stroke", stroke)):
        parts.append(f'{attribute}="{colour(name) if name else "none"}"')
    names = [f"nt-{a}-{name}" for a, name in (("f", fill), ("s", stroke)) if name]
    return " ".join([f'class="{" ".join(names)}"', *parts]) if names else " ".join(parts)


def document(body: str, width: float, height: float, title: str) -> str:
    """An SVG document around a body: size in pixels, accessible title, styles, paper."""
    size = f"{width:.0f}", f"{height:.0f}"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" class="nettrain" role="img" '
        f'aria-label="{escape(title, {chr(34): "&quot;"})}" '
        f'width="{size[0]}" height="{size[1]}" viewBox="0 0 {size[0]} {size[1]}">\n'
        f"<title>{escape(title)}</title>\n<style>{css()}</style>\n"
        f'<rect width="100%" height="100%" rx="6" {paint("paper")}/>\n{body}</svg>\n'
    )


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


def svg(figure: Figure, title: str) -> str:
    """The figure as SVG text: the same bytes for the same data, no date, text as text."""
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
    return document(body, width, height, title)


def _restyle(match: re.Match[str]) -> str:
    """Turn an inline style's named colours into classes with attributes of light."""
    kept, attributes, classes = [], [], []
    for declaration in match[1].split(";"):
        name, _, value = declaration.strip().partition(": ")
        if name in ("fill", "stroke") and value in _NAMES:
            attributes.append(f'{name}="{value}"')
            classes.append(f"nt-{name[0]}-{_NAMES[value]}")
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
    return bool(numbers.size and numbers.min() > 0 and numbers.max() > ratio * numbers.min())


def number(value: float) -> str:
    """A number as a label has it: `0.02`, `40`, `3.1e-6`."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    mantissa, _, exponent = f"{value:.2g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def power(value: float, _position: int | None = None) -> str:
    """A tick of a log scale: `0.01`, `1`, `10⁻⁶`."""
    exponent = math.log10(value) if value > 0 else math.nan
    if not abs(exponent - round(exponent)) < 1e-6 or abs(exponent) < 2.5:
        return number(value)
    digits = str(round(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{digits}"


def log_axis(axes: Axes, low: float, high: float) -> None:
    """A logarithmic y axis from low to high with a few plain ticks and no minor ones."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_yscale("log")
    axes.set_ylim(low, high)
    first, last = math.log10(low), math.log10(high)
    stride = max(1, math.ceil((last - first) / 7))
    decades = [e for e in range(math.ceil(first), math.floor(last) + 1) if e % stride == 0]
    steps = (1,) if len(decades) > 2 else (1, 2, 5) if last - first > 0.7 else (1, 2, 3, 5, 7)
    shown = decades if len(steps) == 1 else range(math.floor(first), math.ceil(last) + 1)
    ticks = [m * 10.0**e for e in shown for m in steps]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(power))


def linear_axis(axis: Any, ticks: int = 6, whole: bool = False) -> None:
    """A few round ticks on an axis, written without offset; only integers if `whole`."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10], integer=whole))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(round(value, 10))))


def layer_ticks(
    axis: Any, names: Sequence[str], room: float, *, at: float = 0, upright: bool = False
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
    neighbours of a row are one rectangle, so a large map stays a small file.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    codes = (Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY)
    for index, name in enumerate(colours):
        corners = [
            corner
            for row, line in enumerate(classes == index)
            for start, end in _runs(line)
            for corner in ((start, row), (end, row), (end, row + 1), (start, row + 1))
            + ((start, row),)
        ]
        if corners:
            path = Path(np.array(corners, float), codes * (len(corners) // 5))
            # Smoothed edges would leave seams between neighbouring rectangles.
            patch = PathPatch(path, facecolor=colour(name), linewidth=0, aa=False)
            axes.add_patch(patch)


def _runs(line: np.ndarray) -> list[tuple[int, int]]:
    """Start and end of each stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], line.astype(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
