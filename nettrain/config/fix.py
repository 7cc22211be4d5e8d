"""Mend a config's text where nothing else can have been meant.

Each problem has its edit beside its words (`nettrain.component.Fix`). Here it becomes a
change of the text at the place that the problem points at; all the rest of the file
stays as it is, byte for byte. The changed text is read again: unless it holds what was
to be changed, and nothing else, the change is not made. What cannot be read at all is
written in other ways first (`nettrain.config.mend`).
"""

from __future__ import annotations

import math
import os
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import NamedTuple

from nettrain.component import MISTAKES
from nettrain.config.edits import at_place, changed, edited, told_once
from nettrain.config.mend import Doubt, Judged, Read, all_meant, meant, readable
from nettrain.config.reader import Document, parse, text_of
from nettrain.config.resolve import Resolved, resolve
from nettrain.config.stretch import Text
from nettrain.config.syntax import BREAK
from nettrain.config.tree import Source, Tree
from nettrain.disk import Disk
from nettrain.errors import Error

_ROUNDS, _WORK = 5, 80_000
"""Times that a text is looked through at least, as what is mended may have hidden more,
and characters that are looked through, about three seconds' worth."""

Schema = Callable[[Tree], type]
"""The dataclass that a config is to build, by what stands in its file."""
Look = Callable[[Resolved], Sequence[Error]]
"""What is wrong with a config all of whose sections can be built."""


class Mended(NamedTuple):
    """A config's text before and after, and what it still cannot be read for."""

    before: str
    after: str
    left: Error | None = None


def fix(
    path: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    schema: Schema,
    look: Look | None = None,
) -> Mended:
    """Mend a config where it stands; arguments as of `mended`.

    The file is replaced in one step, with what permissions it had; where nothing can be
    mended it is not touched.

    Raises:
        Error: where it can be neither read nor written.
    """
    done = mended(path, overrides, schema=schema, look=look)
    if done.before != done.after:
        file = FilePath(os.path.realpath(path))
        mode, held = file.stat().st_mode, file.read_bytes()
        mark = BOM_UTF8 if held.startswith(BOM_UTF8) else b""
        Disk().replace(file, mark + done.after.encode())
        file.chmod(mode)
    return done


def mended(
    path: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    *,
    schema: Schema,
    look: Look | None = None,
) -> Mended:
    """The text of a config, and the same with each edit made that is beyond doubt.

    Nothing is written. What another file or an override has wrong is left alone.

    Args:
        path: of the config.
        overrides: settings that go before it.
        schema: of its file.
        look: for what is wrong with it beside that; the data may be read for it.

    Raises:
        Error: where the file is none of text.
    """
    before, source = text_of(path)
    mender = _Mender(path, overrides, schema, source, look)
    text = before
    for _ in range(min(MISTAKES, max(_ROUNDS, _WORK // (len(before) + 1)))):
        after, left = mender.round(text)
        if after is None:
            # Half a guess at what cannot be read is worth less than what was written.
            return Mended(before, before if left else text, left)
        text = after
    try:
        parse(text, source)
    except Error as error:
        return Mended(before, before, error)
    return Mended(before, text)


@dataclass(frozen=True)
class _Mender:
    """What a config's text is judged by."""

    path: str | os.PathLike[str]
    overrides: Sequence[str]
    schema: Schema
    source: Source
    look: Look | None

    def round(self, text: str) -> tuple[str | None, Error | None]:
        """The text with something mended, if anything can be, or why it cannot."""
        try:
            document = parse(text, self.source)
        except Error as error:
            return self._readable(text, error)
        resolved, errors = self._resolved(document)
        ways = self._ways(document, resolved, errors)
        return next(filter(None, ways), None), None

    def _readable(self, text: str, error: Error) -> tuple[str | None, Error | None]:
        place = error.place
        if error.code != "config-syntax" or place is None or place.line is None:
            return None, error
        at = place.line - 1, (place.column or 1) - 1
        found = readable(text, *at, self._judge)
        if isinstance(found, Doubt):
            words = f"{error.fix}; {found}" if error.fix else str(found)
            return None, Error(error.code, error.message, place=place, fix=words)
        return found, error

    def _ways(
        self, document: Document, resolved: Resolved | None, errors: Sequence[Error]
    ) -> Iterator[str | None]:
        """Texts with more and more that is not looked for without need."""
        lines = sorted({line for line, _ in self._spots(errors)})
        yield all_meant(document.text, lines, self._judge)
        for line in lines:
            way = meant(document.text, line, self._judge)
            yield way if isinstance(way, str) else None
        text = Text(document)
        if resolved:
            problems = resolved.built()[1]
            yield changed(document, [edited(text, resolved, p) for p in problems])
        yield from (told_once(document, fault) for fault in document.faults)
        if resolved:
            told = {str(error) for error in errors}
            found = self.look(resolved) if self.look else ()
            errors = [error for error in found if str(error) not in told]
        yield changed(document, [at_place(text, error) for error in errors])

    def _resolved(self, document: Document) -> tuple[Resolved | None, Sequence[Error]]:
        try:
            schema = self.schema(document.tree)
            resolved = resolve(
                self.path, self.overrides, schema=schema, document=document
            )
        except Error as error:
            return None, getattr(error, "errors", (error,))
        return resolved, resolved.errors(resolved.built()[1])

    def _judge(self, text: str) -> Judged:
        """How far a text can be read, and how well what is read fits the schema."""
        reach, document = math.inf, None
        try:
            document = parse(text, self.source)
        except Error as error:
            # Of what follows the last line at the left margin nothing can be told.
            reach = error.place.line - 1 if error.place and error.place.line else 0
            starts = [0, *(found.end() for found in BREAK.finditer(text))]
            tops = [at for at in starts[: reach + 1] if text[at : at + 1].isalpha()]
            text = text[: tops[-1] if tops else 0]
        return Judged(reach, lambda: self._read(document or text))

    def _read(self, given: Document | str) -> Read:
        """The mistakes of a text, and what it holds."""
        try:
            document = parse(given, self.source) if isinstance(given, str) else given
        except Error:
            return Read(MISTAKES, frozenset(), frozenset(), None)
        errors = self._resolved(document)[1]
        # A key with a mistake can be mended by itself.
        wrong = [error for error in errors if error.code != "config-unknown-key"]
        lines, values = self._spots(errors), self._spots(wrong)
        rows = frozenset(line for line, _ in lines)
        return Read(len(errors), rows, frozenset(values), document.value)

    def _spots(self, errors: Sequence[Error]) -> Iterator[tuple[int, int]]:
        """Lines and columns of this text that errors point at, from 0."""
        for place in (error.place for error in errors):
            if place and place.file == self.source.name and place.line:
                yield place.line - 1, (place.column or 1) - 1
