"""npz files of every kind of wrongness: an error, in little time and memory."""

from __future__ import annotations

import io
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain.component import build_fields
from nettrain.data import DataConfig, FileSource, archive, prepare
from nettrain.data.sources import ARRAYS, loaded_arrays
from nettrain.errors import Error

from .conftest import placed

X, Y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 0, 1])


def npy(values: Any, **changes: Any) -> bytes:
    """The file of one array, or its header changed."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(values))
    data = stream.getvalue()
    for old, new in changes.values():
        assert old in data
        data = data.replace(old, new)
    return data


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return stream.getvalue()


def header(text: bytes, version: int = 1, length: int | None = None) -> bytes:
    size = 2 if version == 1 else 4
    count = len(text) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + count.to_bytes(size, "little") + text


def described(descr: str, shape: str) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n"
    return header(text.encode()) + bytes(96)


def with_flags(data: bytes, flags: int) -> bytes:
    """Each entry of the directory with other flags."""
    at = data.index(b"PK\x01\x02")
    return data[: at + 8] + flags.to_bytes(2, "little") + data[at + 10 :]


def renamed(data: bytes, length: int, name: bytes) -> bytes:
    """The only entry of the directory with another name than the file itself has."""
    at, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry = data[at : at + 28] + len(name).to_bytes(2, "little")
    entry += data[at + 30 : at + 46] + name + data[at + 46 + length : end]
    tail = data[end : end + 12] + len(entry).to_bytes(4, "little") + data[end + 16 :]
    return data[:at] + entry + tail


GOOD = zipped(("x.npy", npy(X)), ("y.npy", npy(Y)))
Y_FILE = ("y.npy", npy(Y))


def x_only(content: bytes) -> bytes:
    return zipped(("x.npy", content), Y_FILE)


FILES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no archive"),
    "text": (b"a,y\n1,0\n", "no archive"),
    "an array alone": (npy(X), "no archive"),
    "a pickle": (pickle.dumps([1]), "no archive"),
    "the beginning of one": (b"PK\x03\x04", "not a zip file"),
    "cut in half": (GOOD[: len(GOOD) // 2], "not a zip file"),
    "without its end": (GOOD[:-10], "not a zip file"),
    "empty archive": (zipped(), "found nothing"),
    "other names": (zipped(("a.npy", npy(X)), ("b.npy", npy(Y))), "found a, b"),
    "arrays in a folder": (zipped(("data/x.npy", npy(X))), "found data/x"),
    "an archive in it": (zipped(("x.npz", GOOD)), "found x.npz"),
    "an archive as x": (x_only(GOOD), "x is no array"),
    "a table as x": (x_only(b"a,y\n1,0\n"), "x is no array"),
    "nothing as x": (x_only(b""), "x is no array"),
    "x twice": (zipped(("x.npy", npy(X)), ("X.npy", npy(X)), Y_FILE), "holds x twice"),
    "y twice": (zipped(("x.npy", npy(X)), Y_FILE, ("Y", npy(Y))), "holds y twice"),
    "a pickle as x": (x_only(pickle.dumps([1])), "x is no array"),
    "Python objects": (x_only(npy(X, a=(b"'<f8'", b"'|O8'"))), "holds Python objects"),
    "records": (x_only(npy(np.zeros(4, "f8,i4"))), "no header of a plain array"),
    "dtype with a comma": (x_only(described("'f8,f8'", "(4, 3)")), "unknown dtype"),
    "dtype of a name": (x_only(described("'float64'", "(4, 3)")), "unknown dtype"),
    "dtype that is none": (x_only(described("'<f3'", "(4, 3)")), "unknown dtype"),
    "dtype of no bytes": (x_only(described("'<U0'", "(4, 3)")), "not an npz file"),
    "dtype of 10^9 letters": (x_only(described("'<U999999999'", "(4, 3)")), "unknown"),
    "code in the header": (
        x_only(described("__import__('os').abort()", "(4, 3)")),
        "no header of a plain array",
    ),
    "negative shape": (x_only(described("'<f8'", "(-4, -3)")), "no header"),
    "shape of words": (x_only(described("'<f8'", "(True, 12)")), "no header"),
    "shape too large": (x_only(described("'<f8'", "(4, 4)")), "holds 96 bytes"),
    "shape too small": (x_only(described("'<f8'", "(4, 2)")), "holds 96 bytes"),
    "shape of 10^18": (x_only(described("'<f8'", f"({10**18}, 3)")), "holds 96"),
    "shape of 100 axes": (
        x_only(described("'<f8'", "(" + "1, " * 100 + "12)")),
        "not an npz file",
    ),
    "header of 4 GiB": (x_only(header(b"{" * 9, 2, 2**32 - 1)), "no header of a plain"),
    "header nested deep": (x_only(header(b"(" * 9000, 2)), "no header of a plain"),
    "header of blanks": (x_only(header(b" " * 60_000)), "no header of a plain array"),
    "header of version 9": (x_only(header(b"{}", 9)), "x is no array"),
    "cut inside an array": (x_only(npy(X)[:-8]), "holds 88 bytes"),
    "more behind an array": (x_only(npy(X) + b"more"), "holds 100 bytes"),
    "encrypted": (with_flags(x_only(npy(X)), 1), "x is encrypted"),
    "wrong sum": (GOOD.replace(npy(X)[-8:], bytes(8), 1), "Bad CRC-32"),
    "complex numbers": (x_only(npy(X * 1j)), "dtype complex128"),
    "dates": (x_only(npy(np.zeros((4, 3), "M8[s]"))), "unknown dtype"),
    "bytes": (x_only(npy(np.zeros((4, 3), "S3"))), "dtype |S3"),
    "packed by bzip2": (
        zipped(("x.npy", npy(X)), Y_FILE, method=zipfile.ZIP_BZIP2),
        "x is packed as NumPy never does",
    ),
    "packed by LZMA": (
        zipped(("x.npy", npy(X)), Y_FILE, method=zipfile.ZIP_LZMA),
        "x is packed as NumPy never does",
    ),
    "half characters": (x_only(npy(np.array([["\ud800"]] * 4))), "not Unicode"),
    "no characters": (
        x_only(npy(np.full((4, 1), 0x7FFFFFFF, "<i4"), a=(b"<i4", b"<U1"))),
        "not Unicode",
    ),
    "a long name": (
        zipped(("q" * 60_000, npy(X)), ("Q" * 60_000, npy(X))),
        "q… twice",
    ),
    "a long name, another in the directory": (
        renamed(zipped(("q" * 60_000, npy(X))), 60_000, b"x.npy"),
        "File name in directory",
    ),
    "a long name, and no x": (zipped(("q" * 60_000, npy(X))), "found q"),
    "a name that moves the cursor": (zipped(("\x1b[2J", npy(X))), "u001B"),
    "no axis": (x_only(npy(1.0)), "shape ()"),
    "one axis": (x_only(npy(X[0])), "shape (3,)"),
    "no rows": (x_only(npy(X[:0])), "shape (0, 3)"),
    "no columns": (x_only(npy(X[:, :0])), "shape (4, 0)"),
    "other rows": (zipped(("x.npy", npy(X)), ("y.npy", npy(Y[:3]))), "y has 3 rows"),
    "y of three axes": (
        zipped(("x.npy", npy(X)), ("y.npy", npy(Y.reshape(4, 1, 1)))),
        "y has the shape",
    ),
    "y without axis": (zipped(("x.npy", npy(X)), ("y.npy", npy(0))), "y has the shape"),
    "test without train": (zipped(("x_test.npy", npy(X))), "found x_test"),
    "rows of other parts": (
        zipped(("x_train.npy", npy(X)), ("y_train.npy", npy(Y)),
               ("x_test.npy", npy(X)), ("y_test.npy", npy(Y[:1]))),
        "y_test has 1 rows",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_wrongness(write: Callable[..., str], name: str) -> None:
    data, message = FILES[name]
    with pytest.raises(Error) as caught:
        FileSource(write(data, "arrays.npz")).load(0)
    assert (caught.value.code, caught.value.exit_code) == ("data-array", 3)
    assert str(caught.value.place) == "arrays.npz"
    assert message in caught.value.message
    assert len(str(caught.value)) < 1000


def bad(values: np.ndarray, value: Any) -> np.ndarray:
    """The same with one value of row 1 replaced."""
    values = values.astype(np.result_type(values, np.array(value)), copy=True)
    values[1] = value
    return values


PARTED = {"x_train": X, "y_train": Y}
# name: (arrays, the data section, code, words of the message)
VALUES: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "NaN": ({"x": bad(X, np.nan), "y": Y}, {}, "data-missing-value", "row 1"),
    "infinite": ({"x": bad(X, np.inf), "y": Y}, {}, "data-infinite", "row 1"),
    "nothing but NaN": ({"x": X * np.nan, "y": Y}, {}, "data-empty-column", "x1"),
    "NaN as a class": (
        {"x": X, "y": bad(Y, np.nan)}, {}, "data-missing-value", "row 1"),
    "an infinite class": ({"x": X, "y": bad(Y, -np.inf)}, {}, "data-infinite", "row 1"),
    "an infinite target": (
        {"x": X, "y": bad(Y + 0.5, np.inf)}, {}, "data-infinite", "row 1"),
    "nothing but NaN as targets": (
        {"x": X, "y": Y * np.nan}, {}, "data-one-class", "no classes"),
    "one class": ({"x": X, "y": Y * 0}, {"task": "classification"}, "data-one-class",
                  "the value 0 in every row"),
    "parts of classes": ({"x": X, "y": Y / 2}, {"task": "classification"},
                         "config-task", "0.5"),
    "an empty text as a class": (
        {"x": X, "y": np.array(["a", "", "b", "a"])}, {}, "data-missing-value",
        "row 1"),
    "text among numbers": (
        {"x": np.array([["1"], ["x"], ["2"], ["3"]]), "y": Y}, {}, "data-not-a-number",
        '"x" is no number'),
    "no targets": ({"x": X}, {}, "config-missing-key", "no targets y"),
    "an unknown target": ({"x": X, "y": Y}, {"target": "z"}, "config-unknown-column",
                          '"z"'),
    "other columns to test": (
        PARTED | {"x_test": X[:, :2], "y_test": Y}, {}, "data-array", "test and train"),
    "no targets to test": (
        PARTED | {"x_test": X}, {}, "data-array", "different targets"),
    "other targets to test": (
        PARTED | {"x_test": X, "y_test": np.stack([Y, Y], 1)}, {}, "data-array",
        "different targets"),
    "another class to test": (
        PARTED | {"x_test": X, "y_test": bad(Y, 7)}, {}, "data-unseen-class", '"7"'),
    "NaN to test": (
        PARTED | {"x_test": bad(X, np.nan), "y_test": Y}, {}, "data-missing-value",
        "row 1"),
    "NaN to validate": (
        PARTED | {"x_validation": X, "y_validation": bad(Y, np.nan)}, {},
        "data-missing-value", "row 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_arrays_whose_values_are_wrong(write: Callable[..., str], name: str) -> None:
    arrays, section, code, message = VALUES[name]
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    plain = {"source": write(stream.getvalue(), "arrays.npz"), "split": {}}
    with pytest.raises(Error) as caught:
        prepare(build_fields(DataConfig, plain | section), seed=0, place=placed)
    assert caught.value.code == code
    place = "config.yaml" if code.startswith("config") else "arrays.npz"
    if code != "data-one-class":
        assert str(caught.value.place).startswith(place)
    assert message in caught.value.message


# name: (arrays of a further file, code, words of the message)
FURTHER: dict[str, tuple[dict[str, Any], str, str]] = {
    "NaN": ({"x": bad(X, np.nan), "y": Y}, "data-missing-value", "row 1"),
    "infinite": ({"x": bad(X, -np.inf), "y": Y}, "data-infinite", "row 1"),
    "too large": ({"x": bad(X, 1e39), "y": Y}, "data-infinite", "too large"),
    "fewer columns": ({"x": X[:, :2], "y": Y}, "data-array", "2 inputs"),
    "texts": ({"x": np.full((4, 3), "q"), "y": Y}, "data-not-a-number", '"q"'),
    "one axis": ({"x": X[0], "y": Y}, "data-array", "shape (3,)"),
    "Python objects": ({"x": X.astype(object), "y": Y}, "data-array", "objects"),
    "other names": ({"inputs": X}, "data-array", "found inputs"),
}


@pytest.mark.parametrize("name", FURTHER)
@pytest.mark.parametrize("way", ["test", "predict"])
def test_further_arrays(write: Callable[..., str], name: str, way: str) -> None:
    arrays, code, message = FURTHER[name]
    stream, source = io.BytesIO(), io.BytesIO()
    np.savez(source, x=X, y=Y)
    np.savez(stream, **arrays)
    plain: dict[str, Any] = {"source": write(source.getvalue(), "train.npz")}
    path = write(stream.getvalue(), "further.npz")
    plain["split"] = {"test": path} if way == "test" else {}
    with pytest.raises(Error) as caught:
        dataset = prepare(build_fields(DataConfig, plain), seed=0, place=placed)
        dataset.preparation.transform(dataset.preparation.read(path))
    assert (caught.value.code, caught.value.exit_code) == (code, 3)
    assert str(caught.value.place) == "further.npz"
    assert message in caught.value.message


@pytest.mark.parametrize("way", ["test", "predict"])
def test_a_table_instead_of_arrays(write: Callable[..., str], way: str) -> None:
    """Files of every wrongness beside the main one, too."""
    source = io.BytesIO()
    np.savez(source, x=X, y=Y)
    plain: dict[str, Any] = {"source": write(source.getvalue(), "train.npz")}
    for name in FILES:
        path = write(FILES[name][0], "further.npz")
        plain["split"] = {"test": path} if way == "test" else {}
        with pytest.raises(Error) as caught:
            dataset = prepare(build_fields(DataConfig, plain), seed=0, place=placed)
            dataset.preparation.transform(dataset.preparation.read(path))
        assert caught.value.exit_code == 3, name
        assert str(caught.value.place) == "further.npz", name


def test_there_are_many() -> None:
    assert len(FILES) >= 50
    assert len(VALUES) + len(FURTHER) >= 25


@pytest.mark.parametrize(
    "values",
    [
        X, X.astype("<f4"), X.astype(">f8"), X.astype("f2"), X.astype(np.longdouble),
        np.asfortranarray(X), X > 3, X.astype("u1"), X.astype(">i8"),
        X.reshape(4, 3, 1), np.array([["a", "ü"], ["", "b"]]), X[:, None, ::-1],
    ],
)  # fmt: skip
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(save: Callable[..., None], values: Any) -> None:
    stream = io.BytesIO()
    save(stream, x=values, notes=np.array([object()]))
    read = archive.arrays(stream.getvalue(), "f", ARRAYS)
    assert read["notes"] is None  # nobody asked for it, and nothing unpickled it
    array = read["x"]
    assert array is not None
    assert array.dtype == values.dtype
    assert array.tobytes() == np.ascontiguousarray(values).tobytes()


def test_versions_of_the_format() -> None:
    for version in ((1, 0), (2, 0), (3, 0)):
        stream = io.BytesIO()
        np.lib.format.write_array(stream, X, version)
        read = archive.arrays(zipped(("x.npy", stream.getvalue())), "f", ARRAYS)
        assert (read["x"] == X).all()  # type: ignore[union-attr]


def bomb(size: int, said: int | None = None) -> bytes:
    """An array of zeros in a thousandth of its bytes.

    Args:
        said: its size as header and directory have it, if that is another.
    """
    said = size if said is None else said
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({said // 8}, 1), }}"
    content = header(text.ljust(117).encode() + b"\n") + bytes(size)
    data = zipped(("x.npy", content), method=zipfile.ZIP_DEFLATED)
    true, lie = ((128 + n).to_bytes(4, "little") for n in (size, said))
    return data.replace(true, lie)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bomb(1 << 26)
    assert len(data) < 1 << 17
    monkeypatch.setattr(archive, "_memory", lambda: 1 << 26)
    assert peak(data) < 1 << 20
    with pytest.raises(Error) as caught:
        archive.arrays(data, "f.npz", ARRAYS)
    assert (caught.value.code, caught.value.exit_code) == ("memory-full", 8)
    assert "0.1 GiB" in caught.value.message
    monkeypatch.setattr(archive, "_memory", lambda: 1 << 28)
    assert archive.arrays(data, "f", ARRAYS)["x"].shape == (1 << 23, 1)  # type: ignore[union-attr]


@pytest.mark.parametrize("said", [8, 1 << 15])
def test_a_bomb_that_says_it_is_small(said: int) -> None:
    """The sizes are a lie: no more than they say is unpacked."""
    assert peak(bomb(1 << 26, said)) < 1 << 20


def test_arrays_that_are_not_asked_for_cost_nothing() -> None:
    data = bomb(1 << 26).replace(b"x.npy", b"z.npy")
    assert peak(data) < 1 << 20


def peak(data: bytes) -> int:
    """Bytes that reading a bad file allocates at most."""
    tracemalloc.start()
    try:
        loaded_arrays(archive.arrays(data, "f", ARRAYS), "f")
    except Error:
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    raise AssertionError("it was read")


@given(st.data())
def test_a_damaged_archive_is_read_or_refused(data: st.DataObject) -> None:
    """Bytes changed, cut and repeated; deflated and stored."""
    method = data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    raw = bytearray(zipped(("x.npy", npy(X)), Y_FILE, method=method))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        kind = data.draw(st.sampled_from(["flip", "byte", "cut", "repeat"]))
        if kind == "flip":
            raw[at] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "byte":
            raw[at] = data.draw(st.sampled_from([0, 255, 39, 40, 48]))
        elif kind == "cut":
            del raw[at : at + data.draw(st.integers(1, 40))]
        else:
            raw[at:at] = raw[at : at + 30]
        raw = raw or bytearray(b"P")
    try:
        loaded_arrays(archive.arrays(bytes(raw), "f", ARRAYS), "f")
    except Error as error:
        assert error.code in ("data-array", "memory-full")


@given(st.binary(max_size=80))
def test_any_header_is_read_or_refused(text: bytes) -> None:
    try:
        archive.arrays(zipped(("x.npy", header(text) + bytes(96))), "f", ARRAYS)
    except Error as error:
        assert error.code == "data-array"
