"""Small pieces of HTML, with every text escaped."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote


class Link(str):
    """A text of a table that leads to a file.

    Attributes:
        file: relative to the folder of the page.
    """

    file: str

    def __new__(cls, text: str, file: str) -> Link:
        made = super().__new__(cls, text)
        made.file = file
        return made


def element(name: str, /, *inside: str, **attributes: str | bool | None) -> str:
    """`<name …>inside</name>`; attributes are escaped, what is inside is HTML.

    `class_` is the attribute class, `aria_label` is aria-label; None and False leave
    one out, True writes its name alone.
    """
    if not attributes:  # as most cells of large tables
        return f"<{name}>{''.join(inside)}</{name}>"
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}"
        + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return f"<{name}{written}>{''.join(inside)}</{name}>"


def table(
    rows: Iterable[Sequence[str]], caption: str = "", heads: Sequence[str] = ()
) -> str:
    """Cells are texts; the first of each row is its head."""
    parts = [element("caption", escape(caption))] if caption else []
    if heads:
        cells = (element("th", escape(head), scope="col") for head in heads)
        parts.append(element("thead", element("tr", *cells)))
    body = [
        element(
            "tr",
            element("th", _cell(first), scope="row"),
            *(element("td", _cell(cell)) for cell in others),
        )
        for first, *others in rows
    ]
    return element("table", *parts, element("tbody", *body))


def _cell(text: str) -> str:
    if not isinstance(text, Link):
        return escape(text)
    return element("a", escape(text), href=quote(os.fsencode(text.file)))


def scrolled(inside: str) -> str:
    """What stays whole, and is scrolled sideways where the page is narrower."""
    return element("div", inside, class_="wide")


_LONG = 30
"""Rows from which on a table is scrolled by itself: what comes below stays near."""


def listed(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> str:
    """A table of any size: whole, and scrolled where it is wide or long."""
    whole = table(rows, heads=heads)
    if len(rows) <= _LONG:
        return scrolled(whole)
    return element("div", whole, class_="wide long", tabindex="0")


def section(name: str, title: str, *inside: str) -> str:
    """A part of a page with a heading that names it."""
    heading = element("h2", escape(title), id=f"{name}-title")
    labelled = f"{name}-title"
    return element("section", heading, *inside, id=name, aria_labelledby=labelled)


def folded(title: str, *inside: str, **attributes: str | bool | None) -> str:
    """What is shown when its title is opened."""
    head = element("summary", escape(title))
    return element("details", head, *inside, **attributes)
