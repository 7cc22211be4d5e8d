"""Mend a text that is no YAML, or whose marks are not those that YAML knows.

A line that is complained of is written in every way that differs from it by one slip: a
tab, a lost blank, a quote or bracket that is not closed, another indentation. Whichever
can be read furthest and has the fewest mistakes was meant, unless two such ways mean
different things: then nothing is done, and the two are shown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import yaml

from nettrain.component import escaped
from nettrain.config.stretch import Splice, equal, written
from nettrain.config.syntax import BREAK, syntax_error
from nettrain.config.tree import Source

LONGEST_LINE = 60
"""Characters of a line that a message quotes."""
_TRIED, _READ = 800_000, 400_000
"""Characters that are read for one mistake, about a second's: of what stands around it,
and of whole texts."""
_ABOVE, _BELOW = 30, 10
"""Lines around the complaint in which a quote or bracket may be opened and closed."""

_WORD = r"[A-Za-z_][\w.-]*"
_UNSPACED = re.compile(rf"(?<![\w.:/\\-]){_WORD}:(?=[^\s:/\\,\]}}])")
_UNMARKED = re.compile(rf"\s*(?:- +)*{_WORD}(?=\s*(?:#.*)?$)")
_EQUALS = re.compile(rf"\s*(?:- +)*{_WORD}(\s*=\s*|\s+:?)(?=[^\s=:#])")
_UNPARTED = re.compile(rf"(?<=[^\s,{{\[-])(?=\s+{_WORD}:\s)")
_COMMENT = re.compile(r"(?:^|[ \t])#")
_TAB = re.compile(r"(?<=\S)\s*\t\s*")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'")
_BLANKS = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_NOTHING = re.compile("[\v\f\u200b\u200c\u200d\u2060\ufeff]")
_CURLED = (("“”„‟", '"'), ("‘’‚‛", "'"))


class Read(NamedTuple):
    """What a text holds as far as it can be read, and what is wrong with it.

    Attributes:
        mistakes: how many there are.
        lines: where they are, from 0.
        wrong: the line and column, from 0, at which each wrong value begins.
        value: what the text holds.
    """

    mistakes: int
    lines: frozenset[int]
    wrong: frozenset[tuple[int, int]]
    value: Any


@dataclass(frozen=True)
class Judged:
    """A text, and what is wrong with it.

    Attributes:
        reach: the line, from 0, that cannot be read; infinite where all can.
        read: the lines before it. It takes as long as all else.
    """

    reach: float
    read: Callable[[], Read]

    @cached_property
    def holds(self) -> Read:
        return self.read()


Judge = Callable[[str], Judged]


@dataclass(frozen=True)
class Doubt:
    """Two ways to write a line, which mean different things."""

    first: str
    second: str

    def __str__(self) -> str:
        return f"--fix cannot tell `{self.first}` from `{self.second}`"


def readable(text: str, line: int, column: int, judge: Judge) -> str | Doubt | None:
    """A text that can be read further, in the only way that there is.

    Args:
        text: that cannot be read.
        line, column: of the complaint, from 0.
        judge: of other texts.
    """
    lines = _lines(text)
    if lines[line].text.startswith(("---", "...")):
        return None  # an end of a document, and no item
    here = line, _above(lines, line)
    ways: Iterable[tuple[Splice, ...]] = (
        *_spaces(lines, here, everywhere=True),
        *_marks(lines, here),
        *_slips(lines, here, column),
        *_quoted(lines[line]),
        *_closed(lines, line),
        *_indented(lines, here),
    )
    around = _around(lines, line)
    ways = list(dict.fromkeys(way for way in ways if way))
    if len(ways) * sum(len(row.text) for row in around) > _TRIED:
        return None  # another meaning might be among those that were not tried
    if _reach(around, ()) == around.index(lines[line]):
        ways = [way for way in ways if _reach(around, way) > around.index(lines[line])]
    return _best(text, ways, judge, lambda other: other.reach > line)


def meant(text: str, line: int, judge: Judge) -> str | Doubt | None:
    """A text that can be read, without the mistake that a line's marks make."""
    lines = _lines(text)
    ways = [*_spaces(lines, (line,), everywhere=False), *_marks(lines, (line,))]
    if not any(ways):
        return None
    now = judge(text)

    def better(other: Judged) -> bool:
        fewer = other.holds.mistakes < now.holds.mistakes
        return other.reach >= now.reach and fewer

    return _best(text, ways, judge, better)


def all_meant(text: str, lines: Iterable[int], judge: Judge) -> str | None:
    """A text without the mistakes that the same kind of marks make in many lines."""
    rows = _lines(text)
    slips = {n: own for n in lines if (own := _of_marks(rows[n]))}
    for _ in range(2 if len(slips) > 1 else 0):
        other = written(text, (splice for own in slips.values() for splice in own))
        judged = judge(other)
        wrong = judged.holds.lines & slips.keys()
        if judged.reach == math.inf and not wrong:
            return other
        slips = {n: own for n, own in slips.items() if n not in wrong}
    return None


def _of_marks(line: _Line) -> list[Splice]:
    tabs = (found.span() for found in _TAB.finditer(line.hidden))
    blanks = (line.splice(*span, " ") for span in tabs)
    return [*blanks, *_odd_blanks(line), *_wide(line), *_unspaced(line)]


# ---------------------------------------------------------------- choosing


def _best(
    text: str,
    ways: Iterable[tuple[Splice, ...]],
    judge: Judge,
    good: Callable[[Judged], bool],
) -> str | Doubt | None:
    """The text that reaches furthest with the fewest mistakes."""
    by_text = {written(text, way): way for way in ways}
    costs = {
        other: sum(text[i:j] != instead for i, j, instead in way)
        for other, way in by_text.items()
    }
    costs.pop(text, None)
    if len(costs) * len(text) > _READ:
        return None
    judged = {other: judge(other) for other in costs}
    fitting = [other for other in costs if good(judged[other])]
    furthest = max((judged[other].reach for other in fitting), default=0)
    fitting = [other for other in fitting if judged[other].reach == furthest]
    fewest = min((judged[other].holds.mistakes for other in fitting), default=0)
    fitting = [other for other in fitting if judged[other].holds.mistakes == fewest]
    fitting.sort(key=costs.__getitem__)
    for other in fitting[1:]:
        if not equal(judged[fitting[0]].holds.value, judged[other].holds.value):
            return Doubt(_changed(fitting[0], other), _changed(other, fitting[0]))
    if not fitting or _still_wrong(by_text[fitting[0]], text, judged[fitting[0]].holds):
        return None
    return fitting[0]


def _still_wrong(way: Sequence[Splice], text: str, after: Read) -> bool:
    """Whether a value is wrong that begins where the text was changed."""
    shift = 0
    for start, stop, instead in sorted(way):
        at = start + shift
        shift += len(instead) - (stop - start)
        before = written(text, [s for s in way if s.start < start])[:at]
        rows = BREAK.split(before)
        if (len(rows) - 1, len(rows[-1])) in after.wrong:
            return True
    return False


def _changed(new: str, other: str) -> str:
    """The first line of a new text that another new one has not, for a message."""
    rows = [BREAK.split(each) for each in (new, other)]
    found = next((row for row, also in zip(*rows, strict=False) if row != also), "")
    return escaped(found.rstrip()[:LONGEST_LINE])


# ---------------------------------------------------------------- lines


@dataclass(frozen=True)
class _Line:
    """A line, its beginning in the text, and its parts."""

    start: int
    text: str
    newline: str

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip())

    @property
    def says(self) -> bool:
        """Whether it is neither blank nor a comment."""
        return self.text.lstrip()[:1] not in ("", "#")

    @property
    def stop(self) -> int:
        """Where its comment begins, as far as quotes can be told, or its end."""
        found = _COMMENT.search(self._unquoted)
        return found.start() if found else len(self.text)

    @property
    def hidden(self) -> str:
        """The line as long as it is, without what quotes and comments hold."""
        return self._unquoted[: self.stop]

    @property
    def _unquoted(self) -> str:
        return _QUOTED.sub(lambda found: "x" * len(found[0]), self.text)

    def changed(self, way: Sequence[Splice]) -> str:
        """The line with those of the splices made that are in it."""
        here = range(self.start, self.start + len(self.text) + 1)
        inside = (s for s in way if s.start in here)
        return written(
            self.text,
            [Splice(s.start - self.start, s.stop - self.start, s.text) for s in inside],
        )

    def splice(self, start: int, stop: int, instead: str) -> Splice:
        return Splice(self.start + start, self.start + stop, instead)


def _lines(text: str) -> list[_Line]:
    breaks = list(BREAK.finditer(text))
    starts = [0, *(found.end() for found in breaks)]
    ends = [*(found[0] for found in breaks), ""]
    return list(map(_Line, starts, BREAK.split(text), ends))


def _above(lines: Sequence[_Line], line: int) -> int:
    """The last line above one that says something: a complaint may come late."""
    return next((i for i in range(line - 1, -1, -1) if lines[i].says), line)


def _around(lines: Sequence[_Line], line: int) -> list[_Line]:
    """The lines around one, and those above under which they stand.

    They can be read, or not, as the whole text can: what is left out stands beside.
    """
    first, last = max(0, line - _ABOVE), line + _BELOW
    found = [*lines[first:last]]
    deep = next((row.indent for row in found if row.says), 0)
    for row in reversed(lines[:first]):
        if row.says and row.indent < deep:
            found.insert(0, row)
            deep = row.indent
    return found


def _reach(around: Sequence[_Line], way: Sequence[Splice]) -> float:
    """The line that cannot be read, in one way of writing; infinite where all can."""
    text = "".join(row.changed(way) + row.newline for row in around)
    try:
        for _ in yaml.parse(text, Loader=yaml.BaseLoader):
            pass
    except yaml.MarkedYAMLError as problem:
        mark, said = problem.problem_mark, problem.context or ""
        if "quoted" not in said and mark and mark.index >= len(text):
            return math.inf  # a bracket may be closed below
        source = Source("", "file", FilePath(), tuple(BREAK.split(text)))
        place = syntax_error(problem, text, source).place
        return place.line - 1 if place and place.line else 0
    except (yaml.YAMLError, ValueError, OverflowError):
        return 0  # a character that no config holds, or the number of none
    return math.inf


# ---------------------------------------------------------------- ways to write


Ways = Iterator[tuple[Splice, ...]]


def _spaces(lines: Sequence[_Line], here: Sequence[int], everywhere: bool) -> Ways:
    """Tabs and other blanks as spaces: of these lines, of all indentation, of all."""
    for width in (2, 4, 8, 1) if everywhere else ():
        yield tuple(
            line.splice(0, line.indent, line.text[: line.indent].expandtabs(width))
            for line in lines
            if line.says and "\t" in line.text[: line.indent]
        )
    for number in here:
        for found in _TAB.finditer(lines[number].text):
            yield (lines[number].splice(*found.span(), " "),)
        yield tuple(_odd_blanks(lines[number]))
    if everywhere:
        yield tuple(
            line.splice(i, i + 1, " ")
            for line in lines
            for i in range(line.indent)
            if _BLANKS.match(line.text[i])
        )
        yield tuple(splice for line in lines for splice in _odd_blanks(line))


def _odd_blanks(line: _Line) -> Iterator[Splice]:
    """Each blank of a line that YAML takes for a letter, outside quotes."""
    hidden = line.hidden
    for pattern, instead in ((_BLANKS, " "), (_NOTHING, "")):
        for found in pattern.finditer(hidden):
            yield line.splice(*found.span(), instead)


def _marks(lines: Sequence[_Line], here: Sequence[int]) -> Ways:
    """Quotes as a keyboard has them, and the blank after a ":"."""
    for number in here:
        line = lines[number]
        for curled, straight in _CURLED:
            found = [i for i, c in enumerate(line.text[: line.stop]) if c in curled]
            if found and sum(line.text.count(c) for c in curled + straight) % 2 == 0:
                yield tuple(line.splice(i, i + 1, straight) for i in found)
        yield tuple(_wide(line))
        yield from ((splice,) for splice in _unspaced(line))
        # Several lines without the blank are one text for YAML.
        below = takewhile(bool, map(_unspaced, lines[number:]))
        yield tuple(splice for splices in below for splice in splices)


def _wide(line: _Line) -> Iterator[Splice]:
    """Marks as wide as Chinese letters, which are followed by no blank."""
    for found in re.finditer("\\s*([：，])\\s*", line.hidden):
        yield line.splice(*found.span(), ": " if found[1] == "：" else ", ")


def _unspaced(line: _Line) -> list[Splice]:
    ends = (found.end() for found in _UNSPACED.finditer(line.hidden))
    return [line.splice(end, end, " ") for end in ends]


def _slips(lines: Sequence[_Line], here: Sequence[int], column: int) -> Ways:
    """A ":", "," or "-" that is lacking, a bracket too many or of the wrong kind."""
    for number in here:
        line = lines[number]
        if found := _UNMARKED.match(line.text):
            yield (line.splice(found.end(), found.end(), ":"),)
        if found := _EQUALS.match(line.text):
            yield (line.splice(*found.span(1), ": "),)
        opened = line.text.find("{") + 1 or len(line.text)
        for between in _UNPARTED.finditer(line.text, opened, line.stop):
            yield (line.splice(between.start(), between.start(), ","),)
    line, above = lines[here[0]], lines[here[1]]
    at = line.text[column : column + 1]
    if at and at in "]}":
        yield (line.splice(column, column + 1, ""),)
        yield (line.splice(column, column + 1, "}" if at == "]" else "]"),)
    if at == ":" and line.text[:column].rstrip().endswith(("]", "}")):
        yield (line.splice(column, column + 1, ""),)
    if at == "," and line.text[:column].rstrip().endswith(","):
        yield (line.splice(column, column + 1, ""),)
    if at and at in "\"'":
        end = len(line.text[:column].rstrip())
        yield (line.splice(end, end, ","),)
    if dash := re.match(r"\s*-(?=[A-Za-z])", line.text):
        yield (line.splice(dash.end(), dash.end(), " "),)
    if dash := re.match(r"\s*(- +)(?=\S)", above.text):
        yield (above.splice(*dash.span(1), ""),)
    if above.text[above.indent :].startswith("- ") and above.indent == line.indent:
        yield (line.splice(line.indent, line.indent, "- "),)
    if at == "-" and line.newline and line.text[:column].rstrip().endswith(":"):
        below = next((row for row in lines[here[0] + 1 :] if row.says), line)
        beside = below.text[below.indent :].startswith("- ")
        deep = below.indent if beside else line.indent + 2
        end = len(line.text[:column].rstrip())
        yield (line.splice(end, column, line.newline + " " * deep),)


def _quoted(line: _Line) -> Ways:
    """A value in quotes, which YAML takes for something else, or in brackets."""
    stop = len(line.text[: line.stop].rstrip())
    key = re.match(rf"\s*(?:- +)*{_WORD}: +(?=\S)", line.text)
    if key and key.end() < stop:
        value = line.text[key.end() : stop]
        marks = [mark for mark in "\"'" if mark not in value]
        if len(value) > 2 and value[0] == value[-1] == "'" and '"' in marks:
            yield (line.splice(key.end(), stop, f'"{value[1:-1]}"'),)
        elif marks and "\\" not in value and value[0] not in "\"'[{*&":
            yield (line.splice(key.end(), stop, f"{marks[0]}{value}{marks[0]}"),)
        yield (line.splice(key.end(), stop, f"{{{value}}}"),)
    doubled = [i for i, c in enumerate(line.text[:stop]) if c == '"']
    if "\\" in line.text and "'" not in line.text:
        yield tuple(line.splice(i, i + 1, "'") for i in doubled)


def _closed(lines: Sequence[_Line], line: int) -> Ways:
    """A quote or bracket closed at each place where it may have been."""
    below = takewhile(
        lambda row: row.indent or not row.says, lines[line + 1 : line + _BELOW]
    )
    for row in (*reversed(lines[max(0, line - _ABOVE) : line + 1]), *below):
        if row.says:
            opened = _unclosed(row)
            marks = {q for q in "\"'" if row.text.count(q) % 2}
            marks |= {opened, *opened} if opened else set()
            for mark in sorted(marks):
                for end in _ends(row):
                    yield (row.splice(end, end, mark),)
            end = len(row.text[: row.stop].rstrip())
            for mark in "]}":  # of a bracket in a line above
                yield (row.splice(end, end, mark),)


def _unclosed(line: _Line) -> str:
    """What closes all brackets that a line opens."""
    wanted = ""
    for mark in _QUOTED.sub("", line.text[: line.stop]):
        if mark in "[{":
            wanted = ("]" if mark == "[" else "}") + wanted
        elif wanted and mark == wanted[0]:
            wanted = wanted[1:]
    return wanted


def _ends(line: _Line) -> list[int]:
    """Where something in a line may end: before a comma, a bracket, a comment; the last
    one first."""
    found = [m.start() for m in re.finditer(r"[,\]}]|\s#|$", line.text)]
    return sorted({len(line.text[:at].rstrip()) for at in found}, reverse=True)


def _indented(lines: Sequence[_Line], here: Sequence[int]) -> Ways:
    """A line, alone or with those that stand below it, as deep as one above it."""
    for number in here:
        line = lines[number]
        steps = _steps(lines[:number])
        for stop in {number + 1, _block(lines, number)}:
            for step in steps:
                shift = step - line.indent
                yield tuple(_shifted(row, shift) for row in lines[number:stop])


def _steps(above: Sequence[_Line]) -> list[int]:
    """Indentations that a line may have below others, those nearby first."""
    found: list[int] = []
    for line in reversed([line for line in above if line.says]):
        dash = re.match(r"\s*(?:- +)+", line.text)
        inner = [dash.end()] if dash else []
        if line.text[: line.stop].rstrip().endswith(":"):
            inner.append((dash.end() if dash else line.indent) + 2)
        found += [*inner, line.indent]
    return list(dict.fromkeys([*found, 0]))


def _block(lines: Sequence[_Line], number: int) -> int:
    """The end of the lines that stand at least as deep as one, from it on."""
    stop = number + 1
    for i in range(number + 1, len(lines)):
        if lines[i].says and lines[i].indent < lines[number].indent:
            break
        stop = i + 1 if lines[i].says else stop
    return stop


def _shifted(line: _Line, shift: int) -> Splice:
    deep = max(0, line.indent + shift) if line.text.strip() else 0
    return line.splice(0, line.indent, " " * deep)
