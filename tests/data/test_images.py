"""Folders of images: what is read, in which order, and what is refused."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from nettrain.component import build_fields
from nettrain.data import DataConfig, Dataset, prepare
from nettrain.data.blocks import BlockPreparation
from nettrain.data.images import Images
from nettrain.errors import Error
from tests.data.conftest import found, placed


def picture(seed: int, height: int = 4, width: int = 6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def save(path: Path, pixels: np.ndarray, **how: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **how)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three classes with four images each, four rows by six columns."""
    monkeypatch.chdir(tmp_path)
    for c, name in enumerate(("b", "Z", "é")):
        for i in range(4):
            save(tmp_path / "photos" / name / f"{i}.png", picture(10 * c + i))
    return tmp_path / "photos"


def made(source: dict[str, Any] | None = None, **section: Any) -> Dataset:
    plain = {"path": "photos", "size": [4, 6], **(source or {})}
    section = {"split": {}, **section, "source": {"images": plain}}
    return prepare(build_fields(DataConfig, section), seed=0, place=placed)


def test_pixels_and_classes(photos: Path) -> None:
    dataset = made()
    train = dataset.parts["train"]
    assert dataset.preparation.classes == ("Z", "b", "é")  # by code point
    assert train.targets.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert (train.inputs.shape, train.inputs.dtype) == ((12, 3, 4, 6), np.float32)
    expected = (picture(11) / 255).astype(np.float32).transpose(2, 0, 1)
    assert (train.inputs[1] == expected).all()
    assert (made().parts["train"].inputs == train.inputs).all()
    assert made().sha256 == dataset.sha256
    save(photos / "b" / "3.png", picture(99))
    assert made().sha256 != dataset.sha256


def test_grey(photos: Path) -> None:
    train = made({"colour": "grey"}).parts["train"]
    red, green, blue = picture(10).astype(float).transpose(2, 0, 1)
    grey = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R 601
    assert train.inputs.shape == (12, 1, 4, 6)
    assert train.inputs[0, 0] * 255 == pytest.approx(grey, abs=0.51)


def test_other_sizes_are_made_to_fit(photos: Path) -> None:
    even = np.full((16, 30, 3), 200, np.uint8)
    even[:, 15:] = 40
    save(photos / "b" / "0.png", even)
    row = made().parts["train"].inputs[4, :, 2] * 255
    assert row[:, [0, 1, 4, 5]].round().tolist() == [[200, 200, 40, 40]] * 3
    striped = np.zeros((8, 12, 3), np.uint8)
    striped[:, ::2] = 200
    save(photos / "b" / "0.png", striped)  # what lies between is not lost
    row = made().parts["train"].inputs[4, :, 2] * 255
    assert row == pytest.approx(np.full_like(row, 100), abs=30)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.jpg", {"quality": 95}),
        ("a.bmp", {}),
        ("a.gif", {}),
        ("a.ppm", {}),
        ("a.webp", {"lossless": True}),
        ("no_ending", {"format": "PNG"}),
    ],
)
def test_formats(photos: Path, name: str, how: dict[str, Any]) -> None:
    even = np.full((4, 6, 3), (250, 120, 30), np.uint8)
    save(photos / "Z" / name, even, **how)
    last = made().parts["train"].inputs[4]
    assert last[:, 1, 1] * 255 == pytest.approx([250, 120, 30], abs=6)


def test_transparent_and_indexed_pictures(photos: Path) -> None:
    for mode in ("RGBA", "LA", "P", "1", "CMYK"):
        image = Image.fromarray(picture(3)).convert(mode)
        ending = "jpg" if mode == "CMYK" else "png"
        image.save(photos / "b" / f"mode {mode}.{ending}")
    clear = Image.fromarray(picture(3)).convert("P")
    clear.save(photos / "b" / "clear.png", transparency=bytes(range(200)))
    assert len(made().parts["train"]) == 18


def test_parts_in_folders(photos: Path) -> None:
    for part in ("train", "validation", "test"):
        os.makedirs(photos.parent / "all", exist_ok=True)
        os.rename(photos, photos.parent / "all" / part) if part == "train" else None
    for i, part in enumerate(("validation", "test")):
        save(photos.parent / "all" / part / "b" / "x.png", picture(70 + i))
    dataset = made({"path": "all"}, split={"validation": 0.15, "test": 0.15})
    assert {p: len(r) for p, r in dataset.parts.items()} == {
        "train": 12,
        "validation": 1,
        "test": 1,
    }
    assert dataset.parts["test"].targets.tolist() == [1]
    explicit = made({"path": "all/train", "test": "all/test"})
    assert (explicit.parts["test"].inputs == dataset.parts["test"].inputs).all()
    save(photos.parent / "all" / "test" / "new" / "x.png", picture(1))
    with pytest.raises(Error, match='class "new" has no images to train on') as caught:
        made({"path": "all"})
    assert str(caught.value.place) == "all/test/new"
    os.makedirs(photos.parent / "all" / "b")
    with pytest.raises(Error, match='the subfolders train and "b"'):
        made({"path": "all"})


def test_a_class_may_be_called_train(photos: Path) -> None:
    os.rename(photos / "b", photos / "train")
    assert made().preparation.classes == ("Z", "train", "é")


def chunk(name: bytes, data: bytes) -> bytes:
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says it is large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no image"),
        (b"II*\0\x08\0\0\0" + bytes(40), "no image"),
        (b"hello", "no image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 6\nquit\n", "no image"),
        (png(picture(1, 40, 40))[:700], "damaged"),
        (png(picture(1))[:20], "damaged"),
        (png(picture(1)).replace(b"IDAT", b"IDAX"), "no image"),
        (bomb(40, 60), "damaged"),
        (bomb(9000, 9000), "9000 × 9000 pixels"),
        (bomb(60_000, 60_000), "too many pixels"),
        (png(np.zeros((4, 6), np.uint16)), "of 8 bits"),
    ],
)
def test_bad_files_are_named(photos: Path, content: bytes, said: str) -> None:
    (photos / "b" / "1.png").write_bytes(content)
    with pytest.raises(Error, match=said) as caught:
        made()
    assert caught.value.code == "data-image"
    assert str(caught.value.place) == "photos/b/1.png"
    assert caught.value.fix


def test_all_bad_files_are_told_together(photos: Path) -> None:
    for i in range(25):
        (photos / "b" / f"bad{i:02}").write_bytes(b"no")
    with pytest.raises(Error) as caught:
        made()
    told = found(caught.value)
    assert told[0] == ("data-image", "photos/b/bad00")
    assert len(told) == 21
    assert "5 more" in str(caught.value)


def test_what_is_no_folder_of_classes(photos: Path) -> None:
    (photos / ".hidden").write_text("passed over")
    (photos / "b" / ".DS_Store").write_text("passed over")
    assert len(made().parts["train"]) == 12
    (photos / "notes.txt").write_text("no class")
    with pytest.raises(Error, match="belongs to none") as caught:
        made()
    assert str(caught.value.place) == "photos/notes.txt"
    os.remove(photos / "notes.txt")
    (photos / "b" / "inner").mkdir()
    with pytest.raises(Error, match="inside that of a class") as caught:
        made()
    assert str(caught.value.place) == "photos/b/inner"
    os.rmdir(photos / "b" / "inner")
    (photos / "empty").mkdir()
    with pytest.raises(Error, match="empty") as caught:
        made()
    assert (caught.value.code, str(caught.value.place)) == (
        "data-no-rows",
        "photos/empty",
    )
    with pytest.raises(Error, match="has 0 subfolders") as caught:
        made({"path": "photos/b/../empty"})
    assert str(caught.value.place) == "config.yaml:data.source.images.path"


def test_folders_that_are_not_there(photos: Path) -> None:
    with pytest.raises(Error, match='no file "phots"') as caught:
        made({"path": "phots"})
    assert caught.value.fix == 'did you mean "photos"?'
    assert str(caught.value.place) == "config.yaml:data.source.images.path"
    with pytest.raises(Error, match="cannot read the folder"):
        made({"path": "photos/b/0.png"})
    with pytest.raises(Error, match='no file "tests"'):
        made({"test": "tests"})


def test_links_are_followed_and_pipes_are_not_read(photos: Path) -> None:
    os.symlink(photos / "b" / "0.png", photos / "Z" / "link.png")
    assert (made().parts["train"].inputs[4] == made().parts["train"].inputs[5]).all()
    os.remove(photos / "Z" / "link.png")
    os.symlink("nowhere", photos / "Z" / "dangling.png")
    with pytest.raises(Error) as caught:
        made()
    assert "dangling.png" in str(caught.value)
    os.remove(photos / "Z" / "dangling.png")
    os.mkfifo(photos / "Z" / "pipe")
    with pytest.raises(Error, match="plain file"):
        made()


def test_kept_and_read_again(photos: Path) -> None:
    dataset = made({"colour": "grey"}, preprocess=["standardize"])
    again = BlockPreparation.from_json(dataset.preparation.to_json())
    train = dataset.parts["train"]
    assert (again.transform(again.read("photos/Z/1.png")) == train.inputs[1]).all()
    assert (again.transform(again.read("photos/b")) == train.inputs[4:8]).all()
    rows = again.read("photos", need_target=True)
    assert (again.transform(rows) == train.inputs).all()
    assert again.labels(rows).tolist() == train.targets.tolist()
    assert train.inputs.mean() == pytest.approx(0, abs=1e-6)


def test_settings(photos: Path) -> None:
    assert Images("photos", (4, 6)).nbytes == 5 * 12 * 3 * 4 * 6
    assert Images("none", (4, 6)).nbytes == 0
    with pytest.raises(Error, match="not height and width"):
        Images("photos", (4,))
    with pytest.raises(Error, match="cross_entropy") as caught:
        made(task="regression")
    assert caught.value.code == "config-task"
