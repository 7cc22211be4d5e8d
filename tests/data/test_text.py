"""Text files: pieces of characters, the next ones as targets, an unseen rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain.component import build_fields, dump
from nettrain.data import DataConfig, Dataset, prepare
from nettrain.data.blocks import BlockPreparation
from nettrain.data.text import Text
from nettrain.errors import Error
from tests.data.conftest import placed

Write = Callable[..., str]

TEXT = "zoë said: 'no!'\nand 'no' again, 𝔷.\n"


def made(source: dict[str, Any], **section: Any) -> Dataset:
    config = build_fields(DataConfig, {"source": {"text": source}, **section})
    return prepare(config, seed=0, place=placed)


def test_inputs_targets_and_characters(write: Write) -> None:
    dataset = made({"path": write(TEXT, "a.txt"), "length": 5}, split={})
    train, preparation = dataset.parts["train"], dataset.preparation
    assert preparation.classes == tuple(sorted(set(TEXT)))
    assert (train.inputs.dtype, train.targets.dtype) == (np.float32, np.int64)
    assert len(train) == (len(TEXT) - 1) // 5
    for i, (x, t) in enumerate(zip(train.inputs, train.targets, strict=True)):
        spoken = "".join(str(preparation.classes[int(c)]) for c in x)
        ahead = "".join(str(preparation.classes[c]) for c in t)
        assert (spoken, ahead) == (TEXT[5 * i : 5 * i + 5], TEXT[5 * i + 1 : 5 * i + 6])
    assert train.rows.tolist() == [5 * i for i in range(len(train))]
    assert (preparation.positions, preparation.feature_names) == ((5,), ())


@given(
    characters=st.integers(30, 200),
    length=st.integers(1, 9),
    stride=st.none() | st.integers(1, 12),
)
def test_every_piece_that_there_is_room_for(
    characters: int, length: int, stride: int | None
) -> None:
    codes = np.arange(characters)
    block = Text("a.txt", length, stride)._pieces(codes, "a", need_target=True)
    assert block.span == length + 1
    assert (np.diff(block.index) == (stride or length)).all()
    assert (block.inputs == block.index[:, None] + np.arange(length)).all()
    assert block.targets is not None
    assert (block.targets == block.inputs + 1).all()
    left = characters - (block.index[-1] + block.span)
    assert 0 <= left < (stride or length)


@pytest.mark.parametrize("stride", [None, 1, 3, 9])
def test_the_rest_is_unseen(write: Write, stride: int | None) -> None:
    text = "".join(map(chr, range(300, 500)))  # every character there once
    source = {"path": write(text, "a.txt"), "length": 6, "stride": stride}
    dataset = made(source, split={"validation": 0.25, "test": 0.25})
    seen = [
        set(part.inputs.ravel().tolist()) | set(part.targets.ravel().tolist())
        for part in dataset.parts.values()
    ]
    assert list(dataset.parts) == ["train", "validation", "test"]
    assert max(seen[0]) < min(seen[1])
    assert max(seen[1]) < min(seen[2])
    assert sum(map(len, seen)) > 150


def test_kept_and_read_again(write: Write) -> None:
    dataset = made({"path": write(TEXT, "a.txt"), "length": 5}, split={})
    first = dataset.preparation
    again = BlockPreparation.from_json(first.to_json())
    assert again == first
    rows = again.read(write("no, zoë!", "b.txt"))
    spelt = [str(again.classes[int(i)]) for i in again.transform(rows)[0]]
    assert "".join(spelt) == "no, z"
    assert (len(rows), rows.targets) == (1, None)
    with_targets = again.read("b.txt", need_target=True)
    assert [str(again.classes[i]) for i in with_targets.targets[0]] == list("o, zo")
    with pytest.raises(Error, match='"k" is not in the text') as caught:
        again.read(write("no,\nno kiwi!", "c.txt"))
    assert str(caught.value.place) == "c.txt:2:4"
    assert "nor are 1 more" in caught.value.message
    with pytest.raises(Error, match="5 characters, and a piece has 5"):
        again.read(write("no, z", "d.txt"), need_target=True)


def test_shape_of_arrays(write: Write) -> None:
    source = {"path": write(TEXT, "a.txt"), "length": 5}
    preparation = made(source, split={}).preparation
    assert (
        preparation.transform(preparation.rows(np.ones((2, 5), int))).tolist()
        == [[1.0] * 5] * 2
    )
    for bad in (np.ones((2, 4)), np.full((2, 5), 99), np.full((2, 5), 0.5)):
        with pytest.raises(Error):
            preparation.rows(bad)


@pytest.mark.parametrize(
    ("content", "section", "code", "at"),
    [
        (TEXT, {"preprocess": ["standardize"]}, "config-preprocess", "preprocess.0"),
        (TEXT, {"target": "y"}, "config-source", "target"),
        (TEXT, {"columns": {"a": "ignore"}}, "config-source", "columns"),
        (TEXT, {"missing": "drop"}, "config-source", "missing"),
        (TEXT, {"shape": [5]}, "config-source", "shape"),
        (TEXT, {"task": "regression"}, "config-task", "task"),
        (TEXT, {"standardize_target": True}, "config-standardize-target", ""),
        (TEXT, {"split": {"by": "random", "test": 0.2}}, "config-split", "split.by"),
        (TEXT, {"split": {"stratify": True, "test": 0.2}}, "config-stratify", ""),
        (TEXT, {"split": {"test": "b.csv"}}, "config-split", "split.test"),
        (TEXT, {"augment": ["flip"], "split": {}}, "config-augment", "augment.0"),
        (TEXT, {"split": {"validation": 0.1}}, "config-split", "split.validation"),
        (TEXT[:5], {}, "config-source", "source.text.length"),
        ("", {}, "data-one-class", "source.text.path"),
        ("aaaaaaaaaa", {}, "data-one-class", "source.text.path"),
    ],
)
def test_mistakes(
    write: Write, content: str, section: dict[str, Any], code: str, at: str
) -> None:
    source = {"path": write(content, "a.txt"), "length": 5, "stride": 2}
    with pytest.raises(Error) as caught:
        made(source, **section)
    assert caught.value.code == code
    assert f"data.{at}" in str(caught.value.place)
    assert caught.value.fix


def test_a_byte_order_mark_is_no_character(write: Write) -> None:
    plain = made({"path": write(TEXT, "a.txt"), "length": 5}, split={})
    marked = write(b"\xef\xbb\xbf" + TEXT.encode(), "b.txt")
    assert made({"path": marked, "length": 5}, split={}).sha256 == plain.sha256


def test_no_text(write: Write) -> None:
    with pytest.raises(Error, match="not UTF-8") as caught:
        made({"path": write(b"caf\xc3\xa9\nna\xefve\n", "a.txt")})
    assert str(caught.value.place) == "a.txt:2:3"
    with pytest.raises(Error, match="there is no file") as caught:
        made({"path": "b.txt"})
    assert str(caught.value.place) == "config.yaml:data.source.text.path"


def test_bytes_needed(write: Write) -> None:
    source = Text(write("a" * 101, "a.txt"), length=10)
    assert source.nbytes == 12 * 10 * 10
    assert Text("a.txt", length=10, stride=1).nbytes == 12 * 10 * 91
    assert Text("none.txt").nbytes == 0
    assert dump(source) == {"text": {"path": "a.txt", "length": 10, "stride": None}}
