"""The quick reader of resolved configs takes what the slow one takes, as it does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain.config import write_resolved
from nettrain.config.reader import parse
from nettrain.config.reread import _Otherwise, _section, nested, reread
from nettrain.config.tree import Source
from nettrain.errors import Error

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["yes", "1e-3", "- a", "a: b", "# no", "[x]", "{}", "1 epoch"])
)
KEYS = st.text(min_size=1, max_size=8) | st.sampled_from(["a", "null", "1", "- x", "?"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=15,
)


def slow(text: str) -> Any:
    return parse(text, Source("x", "file", None)).value  # type: ignore[arg-type]


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=5))
def test_what_was_written_is_read_back(value: dict[str, Any]) -> None:
    text = write_resolved(value, lambda path: f"from {path}")
    assert nested(reread(text)) == value


def test_our_own_configs_are_read_quickly() -> None:
    value = {
        "format": 1,
        "train": {"stop": {"target": None}, "every": "1 epoch", "share": "5 %"},
        "model": [{"dense": {"units": 64, "bias": True}}, "relu", [1, [2.5, -1e-8]]],
        "metrics": ["accuracy", {"f1": {}}],
        "data": {"columns": {}, "source": "/x/a b.csv", "name": 'a "b" \\ \n ä'},
    }
    text = write_resolved(
        value, lambda path: "default" if path[-1] == 1 else "x.yaml:3"
    )
    sections = re.split(r"\n(?! )", text[:-1])
    found = {path: leaf for s in sections for path, leaf in _section(s).leaves.items()}
    assert nested(found) == value
    assert found == reread(text)
    assert found[("model", 1)].source == "default"
    assert found[("format",)] == (1, "x.yaml:3")


@pytest.mark.parametrize(
    "text",
    [
        "a: b\n  c\n",  # one text over two lines
        "a:\n- 1\n- 2\n",  # a list as far left as its key
        "a:\n    b: 1\n",
        "a:\n  b: 1\n   c: 2\n",
        "a: {b: 1}\n",
        "a: [1, [2]]\n",
        "a: 'b'\n",
        'a: "\\x41"\n',
        "a: |\n  b\n",
        "a: &x 1\nb: *x\n",
        "a: !!str 1\n",
        "# comment\na: 1\n",
        "a: 1 # near\n",
        "a: b#c\n",
        "a: 1\n\nb: 2\n",
        "a:\nb: 2\n",
        "a:\n",
        "a: 1\r\nb: 2\r\n",
        "1: a\n",
        "? a\n: b\n",
        "---\na: 1\n",
        "a: 1\n...\n",
        "a: -\n",
        "a: [-, 1]\n",
        "a: ...\nb: .\nc: +\nd: /x\n",
        "a: b -\n",
        "a: .5\nb: 0x10\nc: ~\nd: +1\n",
        "a: b: c\n",
        "a: - b\n",
        "a: 1\na: 2\n",
        "a: 1\n  b: 2\n",
        "- 1\n- 2\n",
        "- a: 1\n  b: 2\n- 3\n",
        "a: 1\n- 2\n",
        "a\n",
        "a: b  \n",
        "a: %b\n",
        "a: 2024-01-01\n",
        "a:  1\n",
        "\n",
        "",
    ],
)
def test_other_texts_are_read_as_all_yaml_is(text: str) -> None:
    try:
        expected = slow(text)
    except Error:
        with pytest.raises(Error):
            reread(text)
        return
    assert nested(reread(text)) == expected


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: f"# mine\n{text}",
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace("  ", "    "),
    ],
    ids=["CRLF", "comment", "blank lines", "indentation"],
)
def test_whence_a_value_came_is_read_where_a_person_wrote_too(edit: Any) -> None:
    value = {"a": {"b": "x # y", "c": [1, "#"]}, "d": [{"e": {"f": 1.5}}, "g"]}
    source = {"b": "x.yaml:3", "c": "default", 0: "default", 1: "extends y:1"}
    text = write_resolved(value, lambda path: source.get((*path, "")[1], ""))
    with pytest.raises(_Otherwise):
        for section in re.split(r"\n(?! )", edit(text)[:-1]):
            _section(section)
    assert reread(edit(text)) == reread(text)
    assert [leaf.source for leaf in reread(text).values()] == [*source.values()]


def test_depth_is_limited() -> None:
    deep = "\n".join(f"{'  ' * i}a:" for i in range(5000))
    with pytest.raises(Error):
        reread(deep)
