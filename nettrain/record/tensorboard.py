"""`events.out.tfevents.0.nettrain`: what TensorBoard shows of a run.

The file is a row of records, in TensorFlow's form of one (TFRecord):

    length (8 bytes) | its masked CRC-32C (4) | data | the data's masked CRC-32C (4)

The data of each are a message `Event` in the wire format of Protocol Buffers, of which
the few fields that are needed are written by hand (event.proto, summary.proto and
graph.proto of tensorflow/core).

The wall time of an event is its step, in seconds, so that the bytes do not depend on
the clock: TensorBoard's axis of relative time then counts updates.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nettrain.disk import Disk
from nettrain.record.append import AppendOnly, Prefix, cut

BINS = 30
"""Of a histogram, as many as TensorFlow's own summaries have."""

_VERSION, _GRAPH, _SUMMARY = 3, 4, 5
"""Fields of an `Event`."""
_BEGINNING = 3
"""Events before those of the first step: the version, the graph and the config."""
_STRING, _TENSOR = 7, 2
"""What a value of text is: of a `TensorProto` the type, of its metadata the class."""


class EventFile(AppendOnly):
    """Appends events, each of one step. A new file begins with the graph and a text.

    Args:
        graph: the nodes, each after its inputs.
        config: the text, which keeps its lines as they are.
    """

    def __init__(
        self, disk: Disk, path: Path, graph: Iterable[GraphNode], config: str
    ) -> None:
        super().__init__(disk, path)
        if self.empty:
            self._event(0, _VERSION, b"brain.Event:2")
            self._event(0, _GRAPH, b"".join(_bytes(1, n.message) for n in graph))
            self._event(0, _SUMMARY, _bytes(1, _text("config", config)))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name; the format rounds them to float32."""
        parts = (_bytes(1, name.encode()) + _float(2, v) for name, v in values.items())
        self._event(step, _SUMMARY, b"".join(_bytes(1, value) for value in parts))

    def histograms(self, step: int, arrays: Mapping[str, np.ndarray]) -> None:
        """How the finite elements of arrays are spread; of none, nothing is told."""
        for name, array in arrays.items():
            if told := _histogram(array):
                value = _bytes(1, name.encode()) + _bytes(5, told)
                self._event(step, _SUMMARY, _bytes(1, value))

    def _event(self, step: int, field: int, content: bytes) -> None:
        data = _double(1, step) + _whole(2, step) + _bytes(field, content)
        length = struct.pack("<Q", len(data))
        for part in (length, data):
            self.write(part + struct.pack("<I", _masked(part)))


@dataclass(frozen=True)
class GraphNode:
    """A node of the graph that TensorBoard draws.

    Attributes:
        name: unique; what stands before its slashes are scopes.
        op: what it does.
        inputs: names of nodes.
        shape: of its value.
    """

    name: str
    op: str
    inputs: Sequence[str]
    shape: Sequence[int]

    @property
    def message(self) -> bytes:
        """As a `NodeDef`, with the shape where TensorFlow has those of all outputs."""
        shape = b"".join(_bytes(2, _whole(1, size)) for size in self.shape)
        shapes = _bytes(1, b"_output_shapes") + _bytes(2, _bytes(1, _bytes(7, shape)))
        texts = [(1, self.name), (2, self.op), *((3, name) for name in self.inputs)]
        parts = [_bytes(field, text.encode()) for field, text in texts]
        return b"".join([*parts, _bytes(5, shapes)])


def cut_back(disk: Disk, path: Path, step: int) -> int:
    """Cut a file, durably, to the events of no later step; the last one's step.

    An event that is damaged ends what is kept, and so does a later step. Where the
    graph is not kept, nothing is. No checkpoint vouches for this file: it may be
    removed, and its run can be resumed all the same.
    """
    data = disk.read(path) if disk.exists(path) else b""
    length = count = last = 0
    for end, at in _whole_events(data):
        if at > step:
            break
        length, count, last = end, count + 1, at
    if count < _BEGINNING:
        length = last = 0
    cut(disk, path, Prefix.of(data[:length]))
    return last


def _whole_events(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each event ends, and its step, up to the first that is not whole."""
    start = 0
    while start + 12 <= len(data):
        length, check = struct.unpack_from("<QI", data, start)
        end = start + 12 + length + 4
        if check != _masked(data[start : start + 8]) or end > len(data):
            return
        content = data[start + 12 : end - 4]
        (check,) = struct.unpack_from("<I", data, end - 4)
        step = _step(content)
        if check != _masked(content) or step is None:
            return
        yield end, step
        start = end


def _step(event: bytes) -> int | None:
    """The step of an event as it is written here; None of any other one."""
    if event[:1] != b"\x09" or event[9:10] != b"\x10":
        return None
    number = shift = 0
    for byte in event[10:20]:
        number |= (byte & 127) << shift
        if byte < 128:
            return number
        shift += 7
    return None


def _text(name: str, text: str) -> bytes:
    """A value of a summary that the dashboard of texts shows, which reads Markdown.

    What is indented by four blanks is code there.
    """
    code = "\n".join(f"    {line}" for line in text.splitlines())
    # A name in it may hold a lone surrogate, which stands for a byte that is no UTF-8.
    tensor = (
        _whole(1, _STRING) + _bytes(2, b"") + _bytes(8, code.encode(errors="replace"))
    )
    metadata = _bytes(1, _bytes(1, b"text")) + _whole(4, _TENSOR)
    return _bytes(1, name.encode()) + _bytes(8, tensor) + _bytes(9, metadata)


# ---------------------------------------------------------------- histograms


def _histogram(array: np.ndarray) -> bytes:
    """As a `HistogramProto`: bins of one width from the least to the largest element.

    Bin i holds the elements above limit i - 1, up to limit i.
    """
    values = array.astype(np.float64).ravel()
    values = values[np.isfinite(values)]
    if not values.size:
        return b""
    low, high = values.min(), values.max()
    share = np.arange(1, BINS + 1) / BINS
    with np.errstate(over="ignore", under="ignore"):
        # Neither huge limits nor neighbouring ones may come out in another order.
        limits = np.minimum(
            np.maximum.accumulate(low * (1 - share) + high * share), high
        )
        limits[-1] = high
        sums = [values.sum(), (values * values).sum()]
    counts = np.bincount(np.searchsorted(limits, values), minlength=BINS)
    numbers = [low, high, values.size, *sums]
    told = [_double(i, float(number)) for i, number in enumerate(numbers, 1)]
    rows = [(6, limits), (7, counts)]
    told += [_bytes(i, row.astype("<f8").tobytes()) for i, row in rows]
    return b"".join(told)


# ---------------------------------------------------------------- the wire format


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the eighth bit."""
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    made.append(number)
    return bytes(made)


def _whole(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", number)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _float(field: int, number: float) -> bytes:
    try:
        data = struct.pack("<f", number)
    except OverflowError:
        data = struct.pack("<f", math.copysign(math.inf, number))
    return _varint(field << 3 | 5) + data


# ---------------------------------------------------------------- CRC-32C


def _remainder(number: int) -> int:
    """Of a byte; the polynomial is Castagnoli's, its bits reversed (RFC 3720)."""
    for _ in range(8):
        number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
    return number


_REMAINDERS = [_remainder(number) for number in range(256)]


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720, appendix B.4."""
    found = 0xFFFFFFFF
    for byte in data:
        found = _REMAINDERS[(found ^ byte) & 255] ^ found >> 8
    return found ^ 0xFFFFFFFF


def _masked(data: bytes) -> int:
    """As TFRecord has it: data that hold checksums themselves check no worse."""
    found = crc32c(data)
    return (found >> 15 | found << 17) + 0xA282EAD8 & 0xFFFFFFFF
