"""Whether a page or a picture has anything in it that comes from data and could act."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree

_ACTIVE = {"script", "foreignobject", "iframe", "object", "embed", "link", "base"}
_PLAIN = {"ul", "li", "p", "h3", "strong", "pre", "button", "div"}
"""What a good page may have, and the one that is compared with has not."""
_SOURCES = ("href", "src", "action", "formaction", "data", "srcdoc", "xlink:href")
_BESIDE = re.compile(r"[\w.~%-][\w./~%-]*", re.ASCII)
"""The address of a file beside the page: without a host, and no `javascript:`."""


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.scripts: list[str] = []
        self.plain: list[str] = []
        self.problems: list[str] = []
        self._into: list[str] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.problems += _attribute(tag, name, value or "")
        if tag == "script":
            kind = dict(attrs).get("type")
            self._into = self.plain if kind == "application/json" else self.scripts
            self._into.append("")
        else:
            self._into = None

    def handle_endtag(self, tag: str) -> None:
        self._into = None

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data


def _attribute(tag: str, name: str, value: str) -> Iterator[str]:
    if name.startswith("on"):
        yield f"<{tag} {name}>"
    local = value.startswith(("#", "data:image/svg+xml;base64,"))
    beside = tag == "a" and _BESIDE.fullmatch(value)
    if name in _SOURCES and not local and not beside:
        yield f'<{tag} {name}="{value[:80]}">'


def page_problems(text: str, good: str) -> list[str]:
    """What a page has that a good one of the same kind has not."""
    page, model = _Page(text), _Page(good)
    problems = [*page.problems]
    # Which of our own scripts stand on a page depends on whether it has a graph.
    problems += [f"script {s[:80]}" for s in set(page.scripts) - set(model.scripts)]
    problems += [f"<{tag}>" for tag in page.tags - model.tags - _PLAIN]
    for plain in page.plain:
        try:
            json.loads(plain)
        except ValueError as error:
            problems.append(f"data on the page: {error}")
    return problems


def picture_problems(text: str) -> list[str]:
    """What an SVG has that could act, or that no reader of XML takes."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        return [f"no XML: {error}"]
    problems = []
    for element in root.iter():
        tag = str(element.tag).rpartition("}")[2].lower()
        if tag in _ACTIVE:
            problems.append(f"<{tag}>")
        for key, value in element.attrib.items():
            problems += _attribute(tag, key.rpartition("}")[2].lower(), value)
    return problems
