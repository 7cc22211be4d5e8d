"""Where the bytes of a text file stand, as a person counts lines and columns."""

from __future__ import annotations

from functools import cached_property

from nettrain.errors import Place

SHOWN = 1000
"""Characters of a line that a message quotes at most."""


class Lines:
    """The lines of a UTF-8 file; they end with LF, CR LF or CR."""

    def __init__(self, data: bytes | memoryview, file: str) -> None:
        self._data, self.file = data, file
        self._counted = (0, 1)  # an offset, and the number of its line

    @cached_property
    def data(self) -> bytes:
        """The file, once a place in it is asked for."""
        return bytes(self._data)

    def place(self, offset: int, width: int = 1) -> Place:
        """The place of a byte; lines and columns count from 1, in characters."""
        data = self.data
        start = max(data.rfind(b"\n", 0, offset), data.rfind(b"\r", 0, offset)) + 1
        column = len(data[start:offset].decode(errors="replace")) + 1
        line = data[start : min(self.end(offset), start + 4 * SHOWN)]
        text = line.decode(errors="replace")[:SHOWN]
        if column > len(text) + 1:
            text = ""  # a caret would stand beyond what is shown
        width = max(1, min(width, len(text) + 1 - column))
        return Place(self.file, self._number(start), column, text, width)

    def end(self, offset: int) -> int:
        """Where the line of a byte ends."""
        stop = self.data.find(b"\n", offset)
        stop = len(self.data) if stop < 0 else stop
        found = self.data.find(b"\r", offset, stop)
        return stop if found < 0 else found

    def _number(self, start: int) -> int:
        """The number of the line that begins at `start`.

        Counted from where the last one was, as mostly later ones are asked for.
        """
        since, number = self._counted if self._counted[0] <= start else (0, 1)
        ends = [self.data.count(end, since, start) for end in (b"\n", b"\r", b"\r\n")]
        number += ends[0] + ends[1] - ends[2]
        self._counted = (start, number)
        return number
