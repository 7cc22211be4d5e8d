"""What the YAML parser found wrong, in a sentence a person can act on."""

from __future__ import annotations

import re

import yaml

from nettrain.config.tree import Origin, Source
from nettrain.errors import Error

_QUOTE = "put the text in quotes"
_SENTENCES = [
    (
        r"character '\\t' that cannot start|violates? .*tab|found a tab",
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
        r"expected the node content",
        "a value is missing here",
        "write the value, or put the text in quotes",
    ),
    (
        r"expected <block end>, but found '(?:-|,)'",
        "a list item where a key was expected",
        "mend the indentation",
    ),
    (
        r"expected <block end>",
        "the indentation fits none of the lines above, or text goes on after a value",
        "mend the indentation",
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
        r"found undefined alias '(.*)'",
        'no anchor "&{0}" stands above',
        "name an anchor that stands earlier in the file",
    ),
    (
        r"found duplicate anchor '(.*)'|second occurrence",
        "an anchor of this name stands already",
        "rename one of them",
    ),
    (
        r"but found another document",
        "a second document begins here; one file is one config",
        'remove what follows the "---"',
    ),
    (
        r"unknown escape character",
        "an unknown escape in quoted text",
        "use single quotes, in which a backslash is itself",
    ),
    (
        r"undefined tag handle|expected tag|tag",
        "tags are not allowed",
        "remove the tag",
    ),
]


def syntax_error(problem: yaml.YAMLError, text: str, source: Source) -> Error:
    """The placed error for an exception of the YAML parser."""
    if isinstance(problem, yaml.reader.ReaderError):
        message = f"the character U+{problem.character:04X} may not stand in a config"
        origin = Origin(source, *line_and_column(text[: problem.position]))
        return Error("config-syntax", message, place=origin.place(), fix="remove it")
    assert isinstance(problem, yaml.MarkedYAMLError)
    mark, message, fix = _sentence(problem)
    place = Origin(source, mark.line + 1, mark.column + 1) if mark else Origin(source)
    return Error("config-syntax", message, place=place.place(), fix=fix)


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
        fix = 'write it as "key: value", with a blank after the ":"'
        return start, 'expected ":" after this key', fix
    for pattern, sentence, fix in _SENTENCES:
        match = re.search(pattern, said)
        if match:
            return end or start, sentence.format(*match.groups("")), fix
    return end or start, f"this is not YAML: {said}", None


def line_and_column(before: str) -> tuple[int, int]:
    """Line and column, from 1, of what follows a text."""
    lines = (before + "x").splitlines()
    return len(lines), len(lines[-1])
