"""The `data:` section: what it accepts, refuses, documents, and writes back."""

from __future__ import annotations

from typing import Any

import pytest

from nettrain.component import (
    Problem,
    build,
    build_fields,
    describe,
    dump,
    json_schema,
)
from nettrain.data import DataConfig, FileSource, Split
from nettrain.errors import Error


def problems(section: dict[str, Any]) -> list[Problem]:
    found: list[Problem] = []
    build(DataConfig, {"source": "digits"} | section, ("data",), found)
    return found


@pytest.mark.parametrize(
    ("section", "code", "path"),
    [
        ({"split": {"validation": 0.6, "test": 0.5}}, "config-split", "data.split"),
        ({"split": {"validation": 1.0}}, "config-split", "data.split"),
        ({"split": {"validation": 1.5}}, "config-range", "data.split.validation"),
        ({"split": {"validation": -0.1}}, "config-range", "data.split.validation"),
        ({"split": {"test": "test.xls"}}, "config-type", "data.split.test"),
        ({"split": {"test": "15 %"}}, "config-type", "data.split.test"),
        (
            {"split": {"stratify": True, "by": "order"}},
            "config-stratify",
            "data.split.stratify",
        ),
        ({"split": {"by": "time"}}, "config-type", "data.split.by"),
        ({"split": 0.2}, "config-type", "data.split"),
        ({"batch_size": 0}, "config-range", "data.batch_size"),
        ({"shape": [8, 0]}, "config-range", "data.shape.1"),
        ({"shape": 64}, "config-type", "data.shape"),
        ({"missing": "zero"}, "config-type", "data.missing"),
        ({"missing": {"a": "zero"}}, "config-type", "data.missing.a"),
        ({"columns": {"a": "text"}}, "config-type", "data.columns.a"),
        ({"task": "ranking"}, "config-type", "data.task"),
        ({"preprocess": ["scale"]}, "config-unknown-component", "data.preprocess.0"),
        (
            {"preprocess": [{"standardize": {"floor": -1}}]},
            "config-range",
            "data.preprocess.0.standardize.floor",
        ),
        (
            {"preprocess": [{"min_max": {"low": 2}}]},
            "config-value",
            "data.preprocess.0.min_max",
        ),
        ({"target": 3}, "config-type", "data.target"),
        ({"batchsize": 3}, "config-unknown-key", "data.batchsize"),
    ],
)
def test_problems(section: dict[str, Any], code: str, path: str) -> None:
    (problem,) = problems(section)
    assert (problem.code, ".".join(map(str, problem.path))) == (code, path)


def test_the_source_is_required() -> None:
    with pytest.raises(Error, match="source"):
        build_fields(DataConfig, {})


@pytest.mark.parametrize(
    "section",
    [
        {"source": "digits"},
        {"source": {"moons": {"samples": 10}}},
        {
            "source": "a.csv",
            "target": ["y", "z"],
            "columns": {"a": "ignore"},
            "missing": {"b": "mean"},
            "split": {"validation": "b.csv", "test": 0.2, "by": "order"},
            "preprocess": ["standardize", {"one_hot": {"unknown": "ignore"}}],
            "shape": [1, 2],
        },
    ],
)
def test_written_back_it_means_the_same(section: dict[str, Any]) -> None:
    config = build_fields(DataConfig, section)
    plain = dump(config)
    assert build_fields(DataConfig, plain) == config
    assert dump(build_fields(DataConfig, plain)) == plain


def test_schema_and_documentation() -> None:
    assert all(field.meaning for field in describe(DataConfig)[1])
    assert all(field.meaning for field in describe(Split)[1])
    assert set(json_schema(DataConfig)["properties"]) >= {"source", "split", "missing"}


def test_files_are_located() -> None:
    section = {"source": "a.csv", "split": {"validation": "b.csv", "test": 0.1}}
    config = build_fields(DataConfig, section)
    asked = []

    def locate(path: tuple[str | int, ...], name: str) -> str:
        asked.append(path)
        return f"/folder/{name}"

    located = config.located(locate)
    assert located.source == FileSource("/folder/a.csv")
    assert located.split == Split("/folder/b.csv", 0.1)
    assert asked == [
        ("data", "source", "file", "path"),
        ("data", "split", "validation"),
    ]
    bundled = build_fields(DataConfig, {"source": "digits"})
    assert bundled.located(locate) == bundled
