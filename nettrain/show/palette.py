"""The colours of all pictures on light and on dark paper, and the SVG around a picture.

A picture is drawn in the light colours of `COLOURS`. In the SVG each becomes a class
beside the attribute, and the style sheet replaces it where the reader prefers dark. The
picture brings its own paper, so it is readable on any page, and where a viewer knows
nothing of dark it is simply light.

Hues are those of Okabe & Ito (2008), "Color universal design", which people with any
common colour vision tell apart, darkened as text on light paper and lightened on dark;
ramps change in lightness.
"""

from __future__ import annotations

from html import escape

FONTS = (
    "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
)

COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#10141a"),
    "ink": ("#1f2429", "#e8edf2"),
    "muted": ("#59626a", "#9aa5b1"),
    "grid": ("#e4e8ec", "#262d36"),
    "pale": ("#c9d1d8", "#454f5b"),
    "blue": ("#0072b2", "#56b4e9"),
    "orange": ("#d97706", "#f2a93b"),
    "green": ("#007a57", "#2fc79a"),
    "red": ("#b84800", "#ff8a50"),
    "purple": ("#a8467f", "#e08fc0"),
    "sky": ("#3a9bd9", "#8fd0f7"),
    "brown": ("#7a5c2e", "#c9a66b"),
    "pale_blue": ("#b3d4ea", "#27587c"),
    "pale_red": ("#f3c9ad", "#6b3a1e"),
    "pale_purple": ("#e3c0d5", "#57304a"),
    "healthy": ("#dcefe7", "#123a2e"),
    "panel": ("#f6f8fa", "#171c23"),
    "tint_blue": ("#e1eff9", "#122c40"),
    "tint_orange": ("#fdefd8", "#3a2a0d"),
    "tint_green": ("#e0f4eb", "#10332a"),
    "tint_red": ("#fbe4d5", "#42200f"),
    "tint_purple": ("#f5e3ee", "#371c2d"),
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
_HEALTH = (
    ("#fac9a8", "#6e2f0b"),
    ("#fbe1cf", "#4a2a15"),
    ("#e9edf0", "#2b323b"),
    ("#d5e8f5", "#17374f"),
    ("#b3d8f0", "#164c74"),
)
COLOURS |= {f"time{i}": pair for i, pair in enumerate(_TIME)}
COLOURS |= {f"heat{i}": pair for i, pair in enumerate(_HEAT)}
COLOURS |= {f"health{i}": pair for i, pair in enumerate(_HEALTH)}

HEATS, HEALTHS = len(_HEAT), len(_HEALTH)
NAMES = {light: name for name, (light, _) in COLOURS.items()}


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
    return (
        " ".join([f'class="{" ".join(names)}"', *parts]) if names else " ".join(parts)
    )


def document(body: str, width: float, height: float, title: str) -> str:
    """An SVG document around a body: size in pixels, title, style sheet, paper."""
    size = f"{width:.0f}", f"{height:.0f}"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink" class="nettrain" role="img" '
        f'aria-label="{escape(title)}" '
        f'width="{size[0]}" height="{size[1]}" viewBox="0 0 {size[0]} {size[1]}">\n'
        f"<title>{escape(title, quote=False)}</title>\n<style>{css()}</style>\n"
        f'<rect width="100%" height="100%" rx="6" {paint("paper")}/>\n{body}</svg>\n'
    )
