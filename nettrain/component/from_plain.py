"""Plain value -> instance, by the annotations of the fields.

Every problem is noted with its path instead of stopping at the first.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, Literal

from nettrain.component.bounds import Range
from nettrain.component.family import (
    Component,
    attribute,
    field_types,
    first_field,
    key_of,
    registered,
    required,
)
from nettrain.component.problem import MISTAKES, Fix, Instead, Path, Problem
from nettrain.component.words import closest, listed, numeral, phrase, show, suggest
from nettrain.errors import Error, raise_all


class _Invalid:
    """Stands for a value that could not be built; its problem has been noted."""


INVALID = _Invalid()
_SETTING = re.compile(r'(\w+): |the (\w+) "')
"""How the sentence of a rule about one setting begins: `every: 0 steps is …`."""


def build(annotation: Any, value: Any, path: Path, problems: list[Problem]) -> Any:
    """The value as the annotation wants it, or `INVALID` and its problems appended."""
    if len(problems) > MISTAKES:
        return INVALID
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _build_bounded(annotation, value, path, problems)
    if origin in (typing.Union, types.UnionType):
        return _build_union(typing.get_args(annotation), value, path, problems)
    if origin is Literal:
        return _build_literal(typing.get_args(annotation), value, path, problems)
    if origin in (list, tuple):
        return _build_sequence(origin, annotation, value, path, problems)
    if origin is dict:
        return _build_dict(annotation, value, path, problems)
    if annotation is Any:
        return value
    if hasattr(annotation, "from_config"):
        return _build_custom(annotation, value, path, problems)
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return _build_component(annotation, value, path, problems)
    if dataclasses.is_dataclass(annotation):
        return build_fields(typing.cast(type, annotation), value, path, problems)
    return _build_scalar(annotation, value, path, problems)


def _wrong(
    path: Path,
    problems: list[Problem],
    message: str,
    fix: str | None = None,
    sure: bool = False,
) -> Any:
    problems.append(Problem("config-type", path, message, fix, sure=sure))
    return INVALID


def _build_scalar(
    annotation: Any, value: Any, path: Path, problems: list[Problem]
) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if annotation is float and number:
        if not abs(value) <= sys.float_info.max:
            message = f"expected a finite number, got {show(value)}"
            return _wrong(path, problems, message, "write a finite number", sure=True)
        return float(value)
    if annotation is int and number and isinstance(value, int):
        if abs(value) < 2**63:
            return value
        message = f"expected an integer of 64 bits, got {show(value)}"
        problems.append(Problem("config-range", path, message))
        return INVALID
    if annotation in (bool, str) and isinstance(value, annotation):
        return value
    if annotation is type(None) and value is None:
        return None
    message = f"expected {phrase(annotation)}, got {show(value)}"
    fix = _meant(annotation, value)
    return _wrong(path, problems, message, fix, sure=bool(fix))


_SWITCHES = {"true": True, "yes": True, "on": True}
_SWITCHES |= {"false": False, "no": False, "off": False}


def _meant(annotation: Any, value: Any) -> str | None:
    """What to write instead of a scalar of another type, where that is plain."""
    word = str(value).lower().rstrip(" ,;")
    if annotation is bool and word in _SWITCHES:
        switch = _SWITCHES[word]
        return Fix(f"write {show(switch)}", Instead(switch))
    if annotation is type(None) and isinstance(value, str) and word == "none":
        return Fix("write null", Instead(None))
    text = isinstance(value, str) or (annotation is int and isinstance(value, float))
    if annotation in (int, float) and text:
        number = numeral(str(value), whole=annotation is int)
        edit = Instead(annotation(number)) if number else None
        return Fix(f"write {number}", edit) if number else None
    if annotation is str and isinstance(value, (int, float)):
        return Fix(f'write it in quotes: "{show(value)}"', Instead(show(value)))
    return _unwrapped(annotation, value)


def _unwrapped(annotation: Any, value: Any) -> str | None:
    """What to write instead of a list of one, where its member is what was wanted."""
    if not isinstance(value, (list, tuple)) or len(value) != 1:
        return None
    found: list[Problem] = []
    build(annotation, value[0], (), found)
    plain = show(value[0]).removeprefix("{").removesuffix("}").strip('"')
    words = f"write it by itself, in no list: {plain}"
    return None if found else Fix(words, Instead(value[0]))


def _build_bounded(
    annotation: Any, value: Any, path: Path, problems: list[Problem]
) -> Any:
    inner, *marks = typing.get_args(annotation)
    found: list[Problem] = []
    built = build(inner, value, path, found)
    for problem in found:
        meant = _instead(problem)
        out = meant is not None and any(_outside(mark, meant) for mark in marks)
        # "150 %" of what is at most 1 may mean anything.
        problems.append(
            dataclasses.replace(problem, fix=None, sure=False) if out else problem
        )
    for mark in marks:
        if _outside(mark, built):
            message = f"expected {phrase(inner)} {mark}, got {show(value)}"
            fix = _within(mark, built)
            problems.append(Problem("config-range", path, message, fix))
            return INVALID
    return built


def _outside(mark: Any, value: Any) -> bool:
    bounded = isinstance(mark, Range) and isinstance(value, (int, float))
    return bounded and value not in mark


def _within(mark: Range, number: float) -> str | None:
    """The number that was perhaps meant: 64 for -64, and for 15 a share of 0.15."""
    share = min(mark.at_most, mark.below) == 1
    if share and 1 < number <= 100 and number / 100 in mark:
        return f"did you mean {number / 100:g}?"
    return f"did you mean {show(-number)}?" if number < 0 and -number in mark else None


def _build_literal(
    choices: tuple[Any, ...], value: Any, path: Path, problems: list[Problem]
) -> Any:
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return value
    names = ", ".join(show(choice) for choice in choices)
    wanted = f"one of {names}" if len(choices) > 1 else names
    fix = suggest(value, choices)
    return _wrong(path, problems, f"expected {wanted}, got {show(value)}", fix)


def _build_union(
    members: tuple[Any, ...], value: Any, path: Path, problems: list[Problem]
) -> Any:
    attempts: list[list[Problem]] = []
    for member in members:
        found: list[Problem] = []
        built = build(member, value, path, found)
        if not found:
            return built
        attempts.append(found)
    if isinstance(value, Mapping) and (field := _alone(members, value)):
        edit = Instead(value[field])
        words = f"leave {field} out, and write the list in its place"
        message = f"expected {phrase(members[0])}, got {show(value)}"
        return _wrong(path, problems, message, Fix(words, edit))
    # A deeper problem, or another kind than a wrong type, shows which member was meant;
    # so does a text that was meant as a number.
    plain = [p for found in attempts for p in found if p.path == path and p.fix]
    direct = [p for p in plain if not isinstance(_instead(p), list)]
    plain = direct or plain
    sure = next((p for p in plain if p.sure), None)
    for member, found in zip(members, attempts, strict=True) if not sure else ():
        others = [p for other in attempts if other is not found for p in other]
        if any(p in plain for p in others) and _foreign(member, value):
            continue
        if any(p.path != path or p.code != "config-type" for p in found):
            problems.extend(found)
            return INVALID
    fix = sure.fix if sure else next((p.fix for p in plain), None)
    if fix and not sure and len({p.fix for p in plain}) > 1:
        fix = str(fix)  # each member has its own edit, and any may be meant
    some = [member for member in members if member is not type(None)]
    wanted = " or ".join(phrase(member) for member in some)
    return _wrong(path, problems, f"expected {wanted}, got {show(value)}", fix)


def _instead(problem: Problem) -> Any:
    """The value that a problem's edit would write."""
    return getattr(getattr(problem.fix, "edit", None), "value", None)


def _alone(members: tuple[Any, ...], value: Mapping[Any, Any]) -> str | None:
    """The only key of a mapping, where that is a field for which a list may stand."""
    for member in members if len(value) == 1 else ():
        record = dataclasses.is_dataclass(member)
        fields = field_types(typing.cast(type, member)) if record else {}
        for name in value:
            if fields.get(name) == members[0]:
                return str(name)
    return None


def _foreign(annotation: Any, value: Any) -> bool:
    """Whether a mapping has no key, not even a misspelt one, of a dataclass."""
    if not isinstance(value, Mapping) or not dataclasses.is_dataclass(annotation):
        return False
    known = field_types(typing.cast(type, annotation))
    return not any(closest(key, known) for key in value)


def _build_sequence(
    origin: Any, annotation: Any, value: Any, path: Path, problems: list[Problem]
) -> Any:
    member = typing.get_args(annotation)[0]
    if not isinstance(value, (list, tuple)):
        message = f"expected {phrase(annotation)}, got {show(value)}"
        return _wrong(path, problems, message, _as_list(member, value))
    return tuple(build(member, v, (*path, i), problems) for i, v in enumerate(value))


def _as_list(member: Any, value: Any) -> str | None:
    """How to write a member as a list of one, if it is a member."""
    found: list[Problem] = []
    if isinstance(value, Mapping) and value:
        return 'write it as a list: each member begins with "- "'
    build(member, value, (), found)
    meant = _instead(found[0]) if found else value
    words = f"write it in brackets: [{show(meant)}]"
    return None if meant is None else Fix(words, Instead([meant]))


def _build_dict(
    annotation: Any, value: Any, path: Path, problems: list[Problem]
) -> Any:
    keys, member = typing.get_args(annotation)
    if not isinstance(value, Mapping):
        return _wrong(path, problems, f"expected a mapping, got {show(value)}")
    return {
        build(keys, key, (*path, key), problems): build(
            member, v, (*path, key), problems
        )
        for key, v in value.items()
    }


def _build_custom(
    annotation: Any, value: Any, path: Path, problems: list[Problem]
) -> Any:
    try:
        return annotation.from_config(value)
    except ValueError as error:
        return _wrong(path, problems, f"{error}, got {show(value)}")


def _build_component(
    base: type[Component], value: Any, path: Path, problems: list[Problem]
) -> Any:
    if isinstance(value, base):
        return value
    if base.registered_name:
        return build_fields(base, value, path, problems)
    try:
        short = base.shorthand(value)
    except Error as error:
        return _wrong(path, problems, error.message, error.fix)
    if short is not None:
        return short
    at_key = not isinstance(value, str)
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, given),) = value.items()
        path = (*path, name)
    elif isinstance(value, str) and not value[:1].isdecimal():
        name, given = value, {}
    else:
        message = f"expected {phrase(base)}, got {show(value)}"
        in_list = isinstance(path[-1], int) if path else False
        return _wrong(path, problems, message, _not_named(base, value, in_list))
    cls = registered(base).get(name)
    if cls is not None:
        return _build_named(cls, given, path, problems)
    problems.append(_unknown_name(base, name, path, at_key))
    meant = closest(name, registered(base))
    if meant and at_key and isinstance(given, Mapping):
        # What stands inside may be wrong too.
        build_fields(registered(base)[meant], given, path, problems)
    return INVALID


def _not_named(base: type[Component], value: Any, in_list: bool) -> str:
    """What to do about a value in which no component's name stands alone."""
    if fix := _unwrapped(base, value) or _respelt(base, value):
        return fix
    first, *others = value if isinstance(value, (Mapping, list)) and value else (None,)
    known = list(registered(base))
    if first not in known:
        return _one_of(base)
    if isinstance(value, Mapping):
        if named := [other for other in others if other in known]:
            every = listed([first, *named])
            each = f'begin each of {every} with a "- " of its own'
            return each if in_list else f"keep one of {every}"
        return f"put {listed(others)} inside {first}: indent it deeper than {first}"
    return _one_of(base) if others else f"write it by itself, in no list: {first}"


_NAMES = ("name", "type", "kind", "class")
"""Keys under which other programs have the name of a component."""
_CALL = re.compile(r"(\w+)\s*(?:\((.*)\)|[ =]+(\S+))\s*")
"""`dropout(0.2)`, `dense(units=64, activation=relu)`, `sgd 0.1` and `sgd = 0.1`."""


def _respelt(base: type[Component], value: Any) -> Fix | None:
    """How to write a component that is written as other programs have it.

    As a call, as `{name: adam, learning_rate: 0.1}` or as `[dense, 64]`.
    """
    name: Any = None
    given: Any = None
    if isinstance(value, str) and (call := _CALL.fullmatch(value)):
        name, given = call[1].lower(), _arguments(call[2] or call[3] or "")
    elif isinstance(value, Mapping):
        key = next((key for key in _NAMES if key in value), None)
        name = value[key] if key else None
        given = {other: value[other] for other in value if other != key}
    elif isinstance(value, (list, tuple)) and len(value) == 2:
        name, given = value
    if not isinstance(name, str) or name not in registered(base):
        return None
    meant: Any = name if given in (None, {}) else {name: given}
    found: list[Problem] = []
    build(base, meant, (), found)
    short = given if isinstance(given, str) else show(given)
    words = name if meant == name else f"{name}: {short}"
    if found and not isinstance(value, Mapping):
        return None
    return Fix(f"write it as {words}", None if found else Instead(meant))


def _arguments(text: str) -> Any:
    """What stands between the brackets of a call: one value, or pairs of `key=value`.

    What is neither is given back as it is, and can be no component's setting.
    """
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if pairs and all(mark for _, mark, _ in pairs):
        return {key.strip(): _scalar(value) for key, _, value in pairs}
    return _scalar(text) if len(pairs) == 1 else (pairs or None)


def _scalar(text: str) -> Any:
    word = text.strip().strip("\"'")
    if word in ("true", "false", "True", "False"):
        return word.lower() == "true"
    if re.fullmatch(r"[-+]?\d+", word):
        return int(word)
    number = numeral(word, whole=False)
    return word if number is None else float(number)


def _unknown_name(
    base: type[Component], name: str, path: Path, at_key: bool
) -> Problem:
    return Problem(
        "config-unknown-component",
        path,
        f"unknown {base.kind} {show(name)}",
        _also_called(base, name)
        or (None if at_key else _respelt(base, name))
        or suggest(name, registered(base))
        or _one_of(base),
        at_key,
    )


def _also_called(base: type[Component], name: str) -> str | None:
    """What has this name elsewhere, as its docstring says: "also called swish"."""
    for own, cls in registered(base).items():
        words = (cls.__doc__ or "").partition("also called ")[2].split()
        if words and words[0].strip(".,;:()") == name.lower():
            return Fix(f'it is called "{own}" here', Instead(own))
    return None


def _one_of(base: type[Component]) -> str:
    return "known: " + ", ".join(registered(base))


def _build_named(
    cls: type[Component], given: Any, path: Path, problems: list[Problem]
) -> Any:
    """A component whose name is known, from its fields or its first field alone."""
    first = first_field(cls)
    if isinstance(given, Mapping):
        return build_fields(cls, given, path, problems)
    if given is None or (given is True and not first):
        return build_fields(cls, {}, path, problems)
    if not first:
        return _wrong(path, problems, f"{show(cls.registered_name)} takes no value")
    found: list[Problem] = []
    built = build_fields(cls, {first: given}, path, found)
    # The short form has no key of its own: its value stands where the component stands.
    problems.extend(
        dataclasses.replace(
            p,
            path=(*path, *p.path[len(path) + 1 :]),
            message=p.message.removeprefix(f"{first}: "),
        )
        if p.path[: len(path) + 1] == (*path, first)
        else p
        for p in found
    )
    return built


def build_fields(
    cls: type, value: Any, path: Path = (), problems: list[Problem] | None = None
) -> Any:
    """A dataclass from a mapping of its fields; raises without a list for problems."""
    found: list[Problem] = []
    made = _fields(cls, value, path, found)
    if problems is None:
        raise_all([problem.error() for problem in found])
    else:
        problems.extend(found)
    return made


def _fields(cls: type, value: Any, path: Path, problems: list[Problem]) -> Any:
    if isinstance(value, cls):
        return value
    if not isinstance(value, Mapping):
        message = f"expected a mapping of settings, got {show(value)}"
        return _wrong(path, problems, message, unspaced(cls, value) or _known(cls))
    annotations = field_types(cls)
    before = len(problems)
    problems.extend(islice(_key_problems(cls, value, path), MISTAKES + 1))
    built = {
        name: build(annotation, value[name], (*path, name), problems)
        for name, annotation in annotations.items()
        if name in value
    }
    if len(problems) > before:
        return INVALID
    try:
        return cls(**{attribute(name): member for name, member in built.items()})
    except Error as error:
        for each in getattr(error, "errors", (error,)):
            about = _SETTING.match(each.message)
            name: str = (about[1] or about[2]) if about else ""
            where = (*path, name) if name in value else path
            problems.append(Problem(each.code, where, each.message, each.fix))
        return INVALID


def _key_problems(cls: type, value: Mapping[Any, Any], path: Path) -> Iterator[Problem]:
    """Unknown and missing keys; a misspelt one is no missing one beside it."""
    annotations = field_types(cls)
    needed = (key_of(f) for f in dataclasses.fields(cls) if required(f))
    missing = [name for name in needed if name not in value]
    for key in value:
        if key in annotations:
            continue
        meant = closest(key, missing)
        fix = suggest(key, [meant] if meant else annotations)
        message = f"unknown key {show(key)}"
        where = (*path, key)
        yield Problem(
            "config-unknown-key", where, message, fix, True, path, bool(meant)
        )
        if meant:
            missing.remove(meant)
            inside: list[Problem] = []
            build(annotations[meant], value[key], where, inside)
            yield from inside
    for name in missing:
        message, add = f"missing key {show(name)}", _to_add(name, annotations[name])
        yield Problem("config-missing-key", path, message, add, within=path)


def _to_add(name: str, annotation: Any) -> str:
    """What to write for a key that is missing."""
    fix = f"add {name}: {phrase(annotation)}"
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return f"{fix}, one of {listed(registered(annotation), 30)}"
    if dataclasses.is_dataclass(annotation):
        return f"{fix}: {_keys(typing.cast(type, annotation))}"
    return fix


def _known(cls: type) -> str:
    return f"its keys are: {_keys(cls)}"


def unspaced(cls: type, value: Any) -> str | None:
    """What to do about `epochs:3`, which is a text."""
    key, _, rest = value.partition(":") if isinstance(value, str) else ("", "", "")
    joined = key in field_types(cls) and rest[:1].strip()
    return 'put a blank after the ":"' if joined else None


def _keys(cls: type) -> str:
    return listed(field_types(cls))
