"""The event file: its bytes by the book, and what is left of it after a mishap."""

from __future__ import annotations

import math
import os
import struct

import numpy as np
import pytest

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record.tensorboard import (
    BINS,
    EventFile,
    GraphNode,
    crc32c,
    cut_back,
)

GRAPH = [
    GraphNode("inputs", "input", [], (4, 300)),
    GraphNode("model/dense1/matmul", "matmul", ["inputs", "inputs"], (4, 0)),
    GraphNode("loss/loss", "sum", ["model/dense1/matmul"], ()),
]
CONFIG = "# ü < 3\nmodel:\n  - dense: 3\n"


def written(path, steps=6):
    """The file's length after each event, the first those of the beginning."""
    ends = []
    file = EventFile(Disk(), path, GRAPH, CONFIG)

    def note():
        file.flush()
        ends.append(path.stat().st_size)

    note()
    for step in range(1, steps + 1):
        file.scalars(step, {"train/loss": 1 / step, "rate": 0.1})
        note()
        if step % 3 == 0:
            file.histograms(step, {"w": np.arange(5.0) * step})
            note()
    file.close()
    return ends


@pytest.fixture
def read():
    """The events of a file by TensorBoard's own reader, less the wall time."""
    loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_file_loader"
    )
    return lambda path: list(loader.LegacyEventFileLoader(str(path)).Load())


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
    ],
)
def test_checksums_of_the_standard(data, crc):
    assert crc32c(data) == crc


def test_a_record_by_hand(tmp_path):
    EventFile(Disk(), tmp_path / "log", [], "").close()
    data = (tmp_path / "log").read_bytes()
    # Twenty-six bytes: a double, the step, and a text of thirteen.
    assert data[:8] == struct.pack("<Q", 26)
    assert data[12:38] == b"\x09" + bytes(8) + b"\x10\x00" + b"\x1a\rbrain.Event:2"
    crc = crc32c(data[12:38])
    masked = ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32
    assert data[38:42] == struct.pack("<I", masked)


def test_what_the_reader_finds(tmp_path, read):
    written(tmp_path / "log")
    events = read(tmp_path / "log")
    assert [e.step for e in events] == [0, 0, 0, 1, 2, 3, 3, 4, 5, 6, 6]
    assert [e.wall_time for e in events] == [e.step for e in events]
    assert events[0].file_version == "brain.Event:2"
    values = {v.tag: v.simple_value for v in events[5].summary.value}
    assert values == {"train/loss": np.float32(1 / 3), "rate": np.float32(0.1)}


def test_the_graph_that_the_reader_finds(tmp_path, read):
    graphs = pytest.importorskip("tensorboard.compat.proto.graph_pb2")
    written(tmp_path / "log")
    graph = graphs.GraphDef.FromString(read(tmp_path / "log")[1].graph_def)
    found = [
        GraphNode(
            node.name,
            node.op,
            list(node.input),
            tuple(d.size for d in node.attr["_output_shapes"].list.shape[0].dim),
        )
        for node in graph.node
    ]
    assert found == GRAPH


def test_the_config_that_the_reader_finds(tmp_path, read):
    written(tmp_path / "log")
    (value,) = read(tmp_path / "log")[2].summary.value
    assert (value.tag, value.metadata.plugin_data.plugin_name) == ("config", "text")
    assert (value.tensor.dtype, value.metadata.data_class) == (7, 2)
    (text,) = value.tensor.string_val  # which Markdown takes as code
    assert text.decode() == "    # ü < 3\n    model:\n      - dense: 3"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, -1e300, 1e-60])
def test_numbers_that_no_float32_is_like(tmp_path, read, value):
    file = EventFile(Disk(), tmp_path / "log", [], "")
    file.scalars(2**40, {"ü": value})
    file.close()
    event = read(tmp_path / "log")[-1]
    with np.errstate(over="ignore", under="ignore"):
        expected = np.float32(value)
    assert event.step == 2**40 and event.summary.value[0].tag == "ü"
    np.testing.assert_equal(np.float32(event.summary.value[0].simple_value), expected)


# ---------------------------------------------------------------- histograms


def histograms(tmp_path, read, *arrays):
    file = EventFile(Disk(), tmp_path / "log", [], "")
    file.histograms(1, {str(i): array for i, array in enumerate(arrays)})
    file.close()
    return [event.summary.value[0].histo for event in read(tmp_path / "log")[3:]]


@pytest.mark.parametrize(
    "array",
    [
        np.linspace(-1, 2, 1000, dtype=np.float32).reshape(10, 100),
        np.random.default_rng(0).normal(size=777),
        np.zeros(7),
        np.array(3.5),
        np.array([1e308, -1e308, 0.0]),
        np.array([1.0, np.nextafter(1, 2), np.nextafter(1, 2)]),
        np.array([5e-324, 0.0, 1e-323]),
        np.array([np.nan, 1.0, np.inf, 3.0, -np.inf]),
    ],
    ids=[
        *("even", "normal", "equal", "scalar", "huge", "neighbours", "tiny"),
        "not finite",
    ],
)
def test_histograms(tmp_path, read, array):
    values = array[np.isfinite(array)].astype(np.float64)
    (found,) = histograms(tmp_path, read, array)
    assert (found.min, found.max, found.num) == (
        values.min(),
        values.max(),
        values.size,
    )
    np.testing.assert_allclose(found.sum, values.sum(), rtol=1e-12)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(found.sum_squares, (values**2).sum(), rtol=1e-12)
    limits, counts = np.array(found.bucket_limit), np.array(found.bucket)
    assert len(limits) == len(counts) == BINS and limits[-1] == found.max
    assert (np.diff(limits) >= 0).all()
    least, width = float(values.min()) / BINS, float(np.ptp(values / BINS))
    even = BINS * (least + width / BINS * np.arange(1, BINS + 1))
    np.testing.assert_allclose(limits, even, rtol=1e-12, atol=width / 1e6 + 1e-300)
    # Of everything up to each limit the reader counts the same.
    below = [(values <= limit).sum() for limit in limits]
    np.testing.assert_array_equal(np.cumsum(counts), below)


def test_bins_are_of_one_width(tmp_path, read):
    (found,) = histograms(tmp_path, read, np.linspace(0, 30, 3001))
    np.testing.assert_allclose(found.bucket_limit, np.arange(1, 31), rtol=1e-12)


def test_of_no_number_nothing_is_told(tmp_path, read):
    assert histograms(tmp_path, read, np.array([]), np.array([np.nan])) == []


# ---------------------------------------------------------------- cutting


def test_later_steps_are_cut_off_and_come_again(tmp_path):
    path = tmp_path / "log"
    ends = written(path)
    whole = path.read_bytes()
    after = [ends[0], ends[1], ends[2], ends[4], ends[5], ends[6], ends[8]]
    for step, end in enumerate(after):
        path.write_bytes(whole)
        assert cut_back(Disk(), path, step) == step
        assert path.read_bytes() == whole[:end]
        assert cut_back(Disk(), path, step) == step  # and twice nothing more
    assert cut_back(Disk(), path, 99) == 6
    assert path.read_bytes() == whole


def test_what_is_not_whole_ends_the_file(tmp_path):
    path = tmp_path / "log"
    ends = written(path)
    whole = path.read_bytes()
    last = {0: 0, ends[0]: 0, ends[1]: 1, ends[2]: 2, ends[3]: 3, ends[4]: 3}
    last |= {ends[5]: 4, ends[6]: 5, ends[7]: 6, ends[8]: 6}
    for length in {*range(0, len(whole), 11), *last, *(end - 1 for end in last if end)}:
        path.write_bytes(whole[:length])
        kept = max(end for end in last if end <= length)
        assert cut_back(Disk(), path, 99) == last[kept]
        assert path.read_bytes() == whole[:kept]


def test_every_flipped_bit_ends_the_file(tmp_path):
    path = tmp_path / "log"
    ends = [0, *written(path, steps=2)]
    whole = path.read_bytes()
    for at in range(0, 8 * len(whole), 43):
        data = bytearray(whole)
        data[at // 8] ^= 1 << at % 8
        path.write_bytes(data)
        cut_back(Disk(), path, 99)
        assert path.read_bytes() == whole[: max(e for e in ends if e <= at // 8)]


def test_an_event_of_others_ends_the_file(tmp_path):
    path = tmp_path / "log"
    ends = written(path)

    endless = b"\x09" + bytes(8) + b"\x10" + b"\xff" * 40
    for content in (b"", b"\x09", b"\x10\x01", endless):
        with path.open("ab") as file:
            length = struct.pack("<Q", len(content))
            for part in (length, content):
                crc = crc32c(part)
                masked = ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32
                file.write(part + struct.pack("<I", masked))
        assert cut_back(Disk(), path, 99) == 6
        assert path.stat().st_size == ends[-1]


def test_a_file_that_is_not_there_is_left_so(tmp_path, trial_disk):
    disk = trial_disk()
    assert cut_back(disk, tmp_path / "log", 5) == 0
    assert not (tmp_path / "log").exists()
    assert [action for action, _ in disk.calls if action != "stat"] == []


def test_the_cut_is_durable(tmp_path, trial_disk):
    written(tmp_path / "log")
    disk = trial_disk()
    cut_back(disk, tmp_path / "log", 2)
    actions = [action for action, _ in disk.calls]
    assert actions[-3:] == ["truncate", "fsync", "close"]


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_refused(tmp_path, kind):
    path = tmp_path / "log"
    if kind == "link":
        (tmp_path / "theirs").write_text("mine")
        path.symlink_to(tmp_path / "theirs")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(Error) as caught:
        cut_back(Disk(), path, 1)
    assert caught.value.exit_code == 6
