"""What the YAML parser found wrong, in a sentence a person can act on."""

from __future__ import annotations

import re

import yaml

from nettrain.config.tree import Origin, Source
from nettrain.errors import Error

ORDER_MARK = "\ufeff"
"""What some editors put before the text of a file."""
BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
"""The line breaks of YAML 1.1, by which PyYAML counts."""
_QUOTE = "put the text in quotes"
_INDENT = "mend the indentation"
_SENTENCES = [
    (
        r"character '\\t' that cannot start",
        "a tab where YAML allows only spaces",
        "indent with spaces",
    ),
    (
        r"character '(.*)' that cannot start",
        'text cannot begin with "{0}"',
        _QUOTE,
    ),
    (
        r"mapping values are not allowed",
        'a ":" where no key can stand',
        "mend the indentation, or put text that holds a colon in quotes",
    ),
    (
        r"mapping keys are not allowed",
        'a key cannot begin here ("? ")',
        "begin it on a line of its own",
    ),
    (
        r"expected the node content",
        "a value is missing here",
        "write the value, or put the text in quotes",
    ),
    (
        r"expected <block end>, but found ':'",
        'a key is missing before the ":"',
        "write the key, or put the text in quotes",
    ),
    (
        r"expected <block end>, but found '(?:-|,)'",
        "a list item where a key was expected",
        _INDENT,
    ),
    (
        r"expected <block end>",
        "the indentation fits none of the lines above",
        _INDENT,
    ),
    (
        r"expected '<document start>'",
        "text goes on after the end of the value that is the whole config",
        "mend the indentation, or put the whole text in quotes",
    ),
    (
        r"sequence entries are not allowed",
        'a list item cannot begin here ("- ")',
        "begin the list on a line of its own",
    ),
    (
        r"expected ',' or '(.)', but got",
        'expected "," or "{0}"',
        "add the comma or close the bracket",
    ),
    (
        r"unknown escape character|escape sequence of . hexadecimal",
        "an unknown escape in quoted text",
        "use single quotes, in which a backslash is itself",
    ),
    (
        r"document separator",
        'the quoted text is cut by "---" or "..."',
        "close the quote",
    ),
    (
        r"indentation indicator",
        'text after "|" or ">"',
        "begin the text on the next line, deeper than its key",
    ),
]
_CONTEXTS = [
    (
        r"scanning an? (?:alias|anchor)",
        "not the name of an anchor",
        'put text that begins with "*" or "&" in quotes',
    ),
    (
        r"scanning a block scalar",
        'text after "|" or ">"',
        "begin the text on the next line, deeper than its key",
    ),
    (
        r"directive|incompatible YAML document",
        'a line that begins with "%" is no setting',
        'remove it, or begin it with "#" if it is a comment',
    ),
    (r"tag", "tags are not allowed", "remove the tag"),
]
_WORD = r"[A-Za-z_][\w.-]{0,99}"
_UNSPACED = re.compile(rf"(\s*(?:- +)*)({_WORD}):\S")
"""A line whose key lacks the blank after its ":"."""
_UNMARKED = re.compile(rf"(\s*(?:- +)*)({_WORD})\s*(?:#.*)?$")
"""A line that is a key without its ":"."""
_SPACED = 'write it as "{0}: value", with a blank after the ":"'


def lines(text: str) -> tuple[str, ...]:
    """The lines of a text, as PyYAML counts them."""
    return tuple(BREAK.split(text))


def line_and_column(before: str) -> tuple[int, int]:
    """Line and column, from 1, of what follows a text."""
    above = lines(before)
    return len(above), len(above[-1]) + 1


def unprintable(text: str, index: int, source: Source) -> Error:
    """What to say of a character that no config holds."""
    message = f"the character U+{ord(text[index]):04X} may not stand in a config"
    origin = Origin(source, *line_and_column(text[:index]))
    return Error("config-syntax", message, place=origin.place(), fix="remove it")


def syntax_error(problem: yaml.YAMLError, text: str, source: Source) -> Error:
    """The placed error for an exception of the YAML parser."""
    if isinstance(problem, yaml.reader.ReaderError):
        return unprintable(text, problem.position, source)
    assert isinstance(problem, yaml.MarkedYAMLError)
    mark, message, fix = _sentence(problem)
    origin = Origin(source, mark.line + 1, mark.column + 1) if mark else Origin(source)
    better = _better(problem.problem or "", origin)
    origin, message, fix = better or (origin, message, fix)
    return Error("config-syntax", message, place=origin.place(), fix=fix)


Told = tuple[Origin, str, str]
"""Where to point, what to say and what to do."""


def _better(said: str, at: Origin) -> Told | None:
    """What the lines themselves tell, where the parser complains of a consequence."""
    lines, written = at.source.lines, at.source.lines[at.line - 1]
    alone = not written[: at.column - 1].strip()
    if "mapping values are not allowed" in said:
        return _unfinished(at) or _shifted(at, written)
    if "expected '<document start>'" in said:
        if lines[0].startswith("%"):
            what, fix = _CONTEXTS[2][1:]
            return Origin(at.source), what, fix
        return _unfinished(at)
    if re.search("found '(?:<block mapping start>|\\?)'", said) and alone:
        above = at.source.lines[at.line - 2] if at.line > 1 else ""
        unspaced = _unfinished(at) if _UNSPACED.match(above) else None
        return unspaced or _undashed(at, written)
    if "expected <block end>, but found '<scalar>'" in said and not alone:
        fix = "put the whole value in quotes; in single ones a quote is written twice"
        return at, "text goes on after the end of a value", fix
    if "could not find expected ':'" in said:
        key = re.match(_WORD, written[at.column - 1 :])
        fix = _SPACED.format(key[0]) if key else "mend the indentation"
        origin = Origin(at.source, at.line, at.column, len(key[0]) if key else 1)
        return origin, 'expected ": " after this key', fix
    return None


def _unfinished(at: Origin) -> Told | None:
    """A key of the line above that lacks its ":" or the blank after it.

    The parser takes such a line for text that goes on, and complains of the next.
    """
    lines, above = at.source.lines, at.line - 1
    while above and not lines[above - 1].partition("#")[0].strip():
        above -= 1
    line = lines[above - 1] if above else ""
    found = _UNSPACED.match(line) or _UNMARKED.match(line)
    if found is None:
        return None
    origin = Origin(at.source, above, len(found[1]) + 1, len(found[2]))
    return origin, f'expected ": " after {found[2]}', _SPACED.format(found[2])


def _undashed(at: Origin, line: str) -> Told | None:
    """A key beside the members of a list, without the "- " that they have."""
    above = [line for line in at.source.lines[: at.line - 1] if line.strip()]
    margin = line[: at.column - 1]
    if not above or not above[-1].startswith(f"{margin}- "):
        return None
    fix = 'begin it with "- ", or mend the indentation'
    return at, "a key where a member of a list was expected", fix


def _shifted(at: Origin, line: str) -> Told | None:
    """A key that begins deeper than the keys beside it."""
    found = re.fullmatch(rf"(\s+)({_WORD})\s*", line[: at.column - 1])
    if found is None:
        return None
    origin = Origin(at.source, at.line, len(found[1]) + 1, len(found[2]))
    message = f"the key {found[2]} stands deeper than the line above allows"
    return origin, message, "mend the indentation"


def _sentence(
    problem: yaml.MarkedYAMLError,
) -> tuple[yaml.Mark | None, str, str | None]:
    """Where to point, what to say and what to do."""
    said = problem.problem or "not YAML"
    start, end = problem.context_mark, problem.problem_mark
    opened = start is not None and (end is None or start.line != end.line)
    context = problem.context or ""
    if "quoted scalar" in context and "end of stream" in said:
        return start, "a quote is not closed", "close the quote"
    flow = "flow sequence" in context or "flow mapping" in context
    if flow and (opened or "<stream end>" in said):
        bracket = "[" if "sequence" in context else "{"
        return start, f'the bracket "{bracket}" is not closed', "close the bracket"
    if "could not find expected ':'" in said:
        return start, said, None
    if "flow node" in context and "<stream end>" in said:
        return end, "a bracket is not closed", "close the bracket"
    for pattern, sentence, fix in _SENTENCES:
        match = re.search(pattern, said)
        if match:
            return end or start, sentence.format(*match.groups("")), fix
    for pattern, sentence, fix in _CONTEXTS:
        if re.search(pattern, f"{context} {said}"):
            return start or end, sentence, fix
    return end or start, f"this is not YAML: {said}", None
