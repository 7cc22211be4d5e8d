"""What is written reads back to the same value."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nettrain.component import dump
from nettrain.config import parse, resolve, write_resolved
from nettrain.config.tree import Source
from nettrain.config.writer import inline


def read_back(text: str) -> Any:
    document = parse(text, Source("a.yaml", "file", Path(".")))
    assert not document.faults
    return document.value


def same(a: Any, b: Any) -> bool:
    """Equal in value, type, order of keys, sign of zero; not-a-number equals itself."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return repr(a) == repr(b)
    return bool(a == b)


WORDS = ["yes", "null", "1e5", "-", "#", "<<", "...", "---", "./a.csv", "/x/y", "0x1F"]
SIGNS = [
    "1_000",
    ".5",
    "~",
    "?",
    ":",
    "é",
    "{}",
    "[]",
    ",",
    "*a",
    "&a",
    "!a",
    "|",
    "%a",
]
SPACED = [
    "- a",
    "a: b",
    "a #b",
    "1 epoch",
    "5 %",
    "\u2028",
    "\ud800",
    "a\tb",
    " a",
    "a ",
]
TEXT = st.text(max_size=12) | st.sampled_from(WORDS + SIGNS + SPACED)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.just("x" * 2000)
)
KEYS = TEXT | st.just("k" * 2000)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


@given(TREES)
def test_a_plain_tree_reads_back_exactly(tree: Any) -> None:
    text = write_resolved(tree, lambda path: f"file {path} #\n- x: y")
    assert same(read_back(text), tree)
    assert write_resolved(tree, lambda path: "") == write_resolved(
        tree, lambda path: ""
    )


@given(TREES)
def test_a_tree_in_one_line_reads_back_exactly(tree: Any) -> None:
    text = inline({"k": tree})
    assert "\n" not in text
    assert same(read_back(text), {"k": tree})


@given(st.lists(st.floats() | st.integers() | TEXT.filter(str.isascii), max_size=4))
def test_readers_of_yaml_1_1_read_the_same(values: list) -> None:
    text = write_resolved({"a": values}, lambda path: "")
    assert same(yaml.safe_load(text), {"a": values})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-5, "1.0e-05"),
        (1e22, "1.0e+22"),
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (math.inf, ".inf"),
        (-math.inf, "-.inf"),
        (1.0, "1.0"),
        (1, "1"),
        (True, "true"),
        (None, "null"),
        ("on", '"on"'),
        ("1", '"1"'),
        ("1 epoch", "1 epoch"),
        ("validation/loss", "validation/loss"),
        ("a\nb", '"a\\nb"'),
        ([], "[]"),
        ({}, "{}"),
        ([1, "a", [2]], None),
        ([1, "a", None], "[1, a, null]"),
    ],
)
def test_how_values_are_written(value: Any, text: str | None) -> None:
    written = write_resolved({"k": value}, lambda path: "")
    assert text is None or written == f"k: {text}\n"
    assert same(read_back(written), {"k": value})


def test_a_list_of_several_sources_takes_several_lines() -> None:
    text = write_resolved({"k": [1, 2]}, lambda path: f"from {path[-1]}")
    assert text == "k:\n  - 1  # from 0\n  - 2  # from 1\n"
    long = {"k": ["x" * 20] * 4}
    assert write_resolved(long, lambda path: "").count("\n") == 5


def test_a_resolved_config_tells_where_each_value_came_from(resolved) -> None:
    text = """\
data: {source: moons}
model:
  - dense: 64
  - dense: {units: 3, activation: leaky_relu}
  - relu
extends: b.yaml
"""
    found = resolved(
        text, "optimizer.adam.beta1=1e-5", b="seed: 1\ntrain: {every: 5 %}"
    )
    written = write_resolved(dump(found.build()), found.source)
    assert written == RESOLVED
    again = resolve(read_back(written), schema=found.schema)
    assert again.build() == found.build()


RESOLVED = """\
data:
  source:
    moons:                # a.yaml:1
      samples: 1000       # default
      noise: 0.1          # default
  target: null            # default
  columns: {}             # default
  batch_size: 32          # default
model:
  - dense:                # a.yaml:3
      units: 64           # a.yaml:3
      activation: null    # default
      bias: true          # default
      name: null          # default
  - dense:                # a.yaml:4
      units: 3            # a.yaml:4
      activation:
        leaky_relu:       # a.yaml:4
          slope: 0.01     # default
      bias: true          # default
      name: null          # default
  - relu                  # a.yaml:5
name: unnamed             # default
seed: 1                   # extends b.yaml:1
metrics: []               # default
optimizer:
  adam:                   # command line
    learning_rate: 0.001  # default
    beta1: 1.0e-05        # command line
    beta2: 0.999          # default
train:
  epochs: null            # default
  steps: null             # default
  stop: null              # default
  every: 5 %              # extends b.yaml:2
diagnose: true            # default
"""
