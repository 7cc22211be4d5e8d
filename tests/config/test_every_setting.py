"""Every setting there is, found from the dataclasses, written wrong in every way."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nettrain.component import build, field_types, registered
from nettrain.component.family import key_of
from nettrain.config import Resolved, parse
from nettrain.config.annotations import is_family, is_record, members
from nettrain.config.scalars import scalar
from nettrain.config.tree import Source
from nettrain.errors import Error
from nettrain.experiment.schema import Experiment

SOURCE = Source("a.yaml", "file", Path())
VALUES = [
    "", "true", "0", "-1", "3", "1.5", ".nan", ".inf", "1e400", "text", "'3'", "1,5",
    "2024-01-31", "[]", "[[]]", "[1]", "[text]", "[~]", "{}", "{a: 1}", "{a: ~, b: 2}",
]  # fmt: skip
"""Of every type, one of which each setting takes at most a few."""
SAMPLES = [
    "1", "0.5", "auto", "a.csv", "name", "relu", "[relu]", "[[relu]]", "[1]", "iris",
    "mse", "[accuracy]", "{source: iris}",
]  # fmt: skip
"""Of which each setting that has no default takes one."""


def classes(cls: type, seen: dict[type, None]) -> dict[type, None]:
    """Every dataclass whose fields a config can set, from one of them on."""
    if cls not in seen:
        seen[cls] = None
        for annotation in field_types(cls).values():
            for kind in kinds(annotation):
                if is_family(kind):
                    for inner in registered(kind).values():
                        classes(inner, seen)
                elif is_record(kind):
                    classes(kind, seen)
    return seen


def kinds(annotation: Any) -> Iterator[Any]:
    """The members of an annotation, and those of the lists and mappings in it."""
    for member in members(annotation):
        inner = [a for a in typing.get_args(member) if a is not Ellipsis]
        if typing.get_origin(member) in (list, tuple, dict):
            for argument in inner:
                yield from kinds(argument)
        elif not inner:
            yield member


ALL = [cls for cls in classes(Experiment, {}) if "tests" not in cls.__module__]
FIELDS = [(cls, name) for cls in ALL for name in field_types(cls)]


def ids(value: object) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


def plain(text: str) -> Any:
    return parse(f"a: {text}", SOURCE).value["a"]


def takes(annotation: Any, text: str) -> bool:
    problems: list[Any] = []
    build(annotation, plain(text), (), problems)
    return not problems


def needed(cls: type, but: str) -> list[str]:
    """Lines for the settings without which there is no instance, but for one."""
    lines = []
    for field in dataclasses.fields(cls):
        missing = (field.default, field.default_factory) == (dataclasses.MISSING,) * 2
        name = key_of(field)
        if missing and name != but:
            annotation = field_types(cls)[name]
            sample = next(s for s in SAMPLES if takes(annotation, s))
            lines.append(f"{name}: {sample}")
    return lines


def found(cls: type, *lines: str) -> list[Error]:
    text = "\n".join(lines)
    try:
        Resolved(parse(text, SOURCE).tree, cls, text).build()
    except Error as error:
        return list(getattr(error, "errors", [error]))
    return []


def test_the_schema_is_walked_through() -> None:
    names = {cls.__name__ for cls in ALL}
    assert {"Experiment", "Split", "Stop", "Checkpoint", "Dense", "AdamW"} <= names
    assert {"Cosine", "CrossEntropy", "TopK", "Standardize", "Moons"} <= names
    assert len(FIELDS) > 150


@pytest.mark.parametrize("cls", ALL, ids=ids)
def test_a_misspelt_key_is_understood(cls: type) -> None:
    for name in field_types(cls):
        misspelt(cls, name)


def misspelt(cls: type, name: str) -> None:
    typos = {name + name[-1], name.upper() + "_", "x" + name}
    for typo in typos - set(field_types(cls)):
        lines = [*needed(cls, name), f"{typo}: 3"]
        errors = found(cls, *lines)
        error = next(e for e in errors if e.code == "config-unknown-key")
        place = error.place
        assert (place.line, place.column, place.width) == (len(lines), 1, len(typo))
        if len(name) > 2:
            assert f'did you mean "{name}"?' in (error.fix or "")
        assert error.exit_code == 2


@pytest.mark.parametrize("cls", ALL, ids=ids)
def test_a_wrong_value_is_pointed_at(cls: type) -> None:
    for name in field_types(cls):
        wrong(cls, name)


def wrong(cls: type, name: str) -> None:
    annotation, above = field_types(cls)[name], needed(cls, name)
    refused = 0
    for value in VALUES:
        if takes(annotation, value):
            continue
        refused += 1
        errors = found(cls, *above, f"{name}: {value}".rstrip())
        assert errors, value
        for error in errors:
            place, begin = error.place, len(name) + 3
            assert place.line == len(above) + 1, (value, str(error))
            if not value:
                assert (place.column, place.width) == (1, len(name))
            elif value[0] not in "[{" or not plain(value):
                rule = error.code != "config-type" and value[0] in "[{"
                expected = (1, len(name)) if rule else (begin, len(value))
                assert (place.column, place.width) == expected, (value, str(error))
            else:
                least = 1 if error.code == "config-missing-key" else begin
                assert place.column >= least, (value, str(error))
            assert error.exit_code == 2
            assert error.message
    # What takes anything would hide mistakes.
    assert refused > len(VALUES) / 2 or name in ("target", "class_weights")


@pytest.mark.parametrize("cls", ALL, ids=ids)
def test_no_list_and_no_scalar_stands_for_settings(cls: type) -> None:
    for text in ("[]", "[a]", "3", "text", "true", ""):
        (error,) = found(cls, text)
        assert error.code == "config-type"
        assert "expected a mapping of settings" in error.message


@pytest.mark.parametrize("text", ["1e-3", "on", "010", "0o17", "1_000", ".5", "2."])
def test_samples_are_read_as_the_reader_reads_them(text: str) -> None:
    assert plain(text) == scalar(text)
