"""IDX files: read as MNIST's are, and refused with the byte that is wrong."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain.component import build_fields
from nettrain.data import DataConfig, Dataset, prepare
from nettrain.data.idx import Idx, read
from nettrain.errors import Error
from tests.data.conftest import placed

Write = Callable[..., str]

PIXELS = np.arange(20 * 3 * 4, dtype=np.uint8).reshape(20, 3, 4)
LABELS = np.arange(20, dtype=np.uint8) % 4


def idx(values: np.ndarray, code: int = 8) -> bytes:
    head = struct.pack(">HBB", 0, code, values.ndim)
    return head + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture
def files(write: Write) -> dict[str, str]:
    return {
        "images": write(idx(PIXELS), "a-images"),
        "labels": write(gzip.compress(idx(LABELS)), "a-labels.gz"),
        "test_images": write(gzip.compress(idx(PIXELS[::-1])), "t-images"),
        "test_labels": write(idx(LABELS[::-1]), "t-labels"),
    }


def made(source: dict[str, str], **section: Any) -> Dataset:
    config = build_fields(DataConfig, {"source": {"idx": source}, **section})
    return prepare(config, seed=0, place=placed)


def test_images_and_labels(files: dict[str, str]) -> None:
    dataset = made(files, split={})
    train, test = dataset.parts["train"], dataset.parts["test"]
    assert train.inputs.dtype == np.float32
    assert (train.inputs == (PIXELS / 255).astype(np.float32)[:, None]).all()
    assert train.targets.tolist() == LABELS.tolist()
    assert (test.inputs == train.inputs[::-1]).all()
    assert test.targets.tolist() == LABELS.tolist()[::-1]
    assert dataset.preparation.classes == (0, 1, 2, 3)
    assert dataset.preparation.input_shape == (1, 3, 4)


def test_a_test_part_is_split_off_where_there_is_none(files: dict[str, str]) -> None:
    source = {k: files[k] for k in ("images", "labels")}
    dataset = made(source, split={"validation": 0.2, "test": 0.2, "stratify": True})
    assert {p: len(rows) for p, rows in dataset.parts.items()} == {
        "train": 12,
        "validation": 4,
        "test": 4,
    }
    assert sorted(dataset.parts["test"].targets.tolist()) == [0, 1, 2, 3]
    rows = np.concatenate([part.rows for part in dataset.parts.values()])
    assert sorted(rows.tolist()) == list(range(20))


def test_standardized_by_channel(files: dict[str, str]) -> None:
    dataset = made(files, split={}, preprocess=["standardize"])
    found = dataset.parts["train"].inputs
    assert (found.mean(), found.std()) == pytest.approx((0, 1), abs=1e-6)
    assert (np.diff(found[0, 0, 0]) > 0).all()
    assert dataset.preparation.feature_names == ("grey",)


def test_everything_counts_in_the_digest(files: dict[str, str], write: Write) -> None:
    first = made(files).sha256
    assert made(files).sha256 == first
    write(idx(LABELS[::-1].copy()), "a-labels.gz")
    second = made(files).sha256
    write(idx(PIXELS), "t-images")
    assert len({first, second, made(files).sha256}) == 3


def test_bytes_needed(files: dict[str, str]) -> None:
    assert Idx(**files).nbytes == 5 * 2 * 20 * 12
    assert Idx("missing", "missing").nbytes == 0


def test_packed_as_large_as_its_header_says(write: Write) -> None:
    zeros = np.zeros((300, 28, 28), np.uint8)  # packed about a thousand times
    assert (read(write(gzip.compress(idx(zeros)), "z.gz"), 3) == zeros).all()


GOOD = idx(PIXELS)


def packed(content: bytes) -> bytes:
    """The same bytes whenever it is asked: they are part of a test's name."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("content", "byte", "said"),
    [
        (b"", 0, "too early"),
        (b"\x89PNG" + GOOD[4:], 0, "begins with"),
        (GOOD[:2] + b"\x0d" + GOOD[3:], 2, "floats"),
        (GOOD[:2] + b"\x07" + GOOD[3:], 2, "unknown type 7"),
        (GOOD[:3], 3, "1 bytes too early"),
        (GOOD[:9], 9, "too early"),
        (idx(LABELS), 3, "expected images"),
        (idx(PIXELS[:0]), 3, "expected images"),
        (GOOD[:100], 100, "too early"),
        (GOOD + b"\0", len(GOOD), "more bytes follow"),
        (GOOD[:4] + b"\xff" * 12, 16, "too early for 4294967295"),
        (packed(GOOD)[:-20], None, "unpacked"),
        (packed(GOOD[:4] + b"\xff" * 12), 4, "more than the file can hold"),
        (b"\x1f\x8b" + GOOD, None, "unpacked"),
        (packed(GOOD + b"\0" * 9), len(GOOD), "more bytes follow"),
    ],
)
def test_damage(write: Write, content: bytes, byte: int | None, said: str) -> None:
    name = write(content, "bad")
    with pytest.raises(Error, match=said) as caught:
        read(name, 3)
    error = caught.value
    assert (error.code, str(error.place)) == ("data-array", "bad")
    assert error.fix
    if byte is not None:
        assert f"byte {byte}:" in error.message


def test_mistakes_are_at_their_key(files: dict[str, str]) -> None:
    for key in ("images", "labels", "test_images"):
        with pytest.raises(Error) as caught:
            made({**files, key: files[key] + "s"})
        assert caught.value.code == "data-missing-file"
        assert str(caught.value.place) == f"config.yaml:data.source.idx.{key}"
        assert f'"{files[key]}"' in (caught.value.fix or "")


def test_parts_that_do_not_belong_together(files: dict[str, str], write: Write) -> None:
    short = write(idx(LABELS[:-1]), "short")
    with pytest.raises(Error, match="19 labels") as caught:
        made({**files, "labels": short})
    assert str(caught.value.place) == "short"
    other = write(idx(PIXELS.reshape(20, 4, 3)), "other")
    with pytest.raises(Error, match="4 × 3 pixels in test, of 3 × 4 in train"):
        made({**files, "test_images": other})
    with pytest.raises(Error, match="every label is 0"):
        zeros = write(idx(0 * LABELS), "zeros")
        made({**files, "labels": zeros, "test_labels": zeros})
    with pytest.raises(Error, match="go together"):
        Idx(images="a", labels="b", test_images="c")
    few = write(idx(LABELS % 2), "few")
    with pytest.raises(Error, match='class "2" is in the test part') as caught:
        made({**files, "labels": few}, split={})
    assert caught.value.code == "data-unseen-class"


def test_labels_need_not_begin_at_0(files: dict[str, str], write: Write) -> None:
    letters = LABELS[::-1] * 2 + 1
    labels = write(idx(letters), "labels")
    dataset = made({"images": files["images"], "labels": labels}, split={})
    assert dataset.preparation.classes == (1, 3, 5, 7)
    assert dataset.parts["train"].targets.dtype == np.int64
    assert dataset.parts["train"].targets.tolist() == LABELS[::-1].tolist()
    write(idx(PIXELS), "b-images")
    write(idx(letters), "b-labels")
    rows = dataset.preparation.read("b-images", need_target=True)
    assert rows.targets.tolist() == LABELS[::-1].tolist()
    np.savez("c.npz", x=np.ones((3, 1, 3, 4)), y=[7, 1, 3])
    assert dataset.preparation.read("c.npz", True).targets.tolist() == [3, 0, 1]
    np.savez("c.npz", x=np.ones((3, 1, 3, 4)), y=[7, 1, 2])
    with pytest.raises(Error, match="y holds 2, expected"):
        dataset.preparation.read("c.npz", True)
    write(idx(letters + 1), "b-labels")
    with pytest.raises(Error, match="known class"):
        dataset.preparation.read("b-images", need_target=True)


def test_a_fifo_is_no_file(write: Write, files: dict[str, str], tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Error, match="plain file"):
        made({**files, "images": "pipe"})


def test_further_images_and_their_labels(files: dict[str, str], write: Write) -> None:
    preparation = made(files, split={}).preparation
    rows = preparation.read("a-images")
    assert rows.targets is None
    assert (preparation.transform(rows)[:, 0] == (PIXELS / 255).astype("f4")).all()
    assert preparation.read("t-images", need_target=True).targets.tolist()[0] == 3
    Path("images").mkdir()
    write(idx(PIXELS), "images/t10k-images-idx3-ubyte")
    write(idx(LABELS), "images/t10k-labels-idx1-ubyte")
    rows = preparation.read("images/t10k-images-idx3-ubyte", need_target=True)
    assert rows.targets.tolist() == LABELS.tolist()
    write(idx(PIXELS), "plain")
    with pytest.raises(Error, match="no labels are known"):
        preparation.read("plain", need_target=True)
    with pytest.raises(Error, match="others"):
        preparation.read(write(idx(PIXELS.reshape(20, 4, 3)), "u-images"))
