"""npz files, read without trust: no pickles, and nothing larger than memory.

The format is numpy.lib.format's: a zip archive with a file NAME.npy for each array.
NumPy's own reader allocates what a header asks for; here the header must agree with the
size that the archive says, and that with this machine's memory, before anything is.
"""

from __future__ import annotations

import io
import math
import os
import re
import zipfile
import zlib

import numpy as np

from nettrain.component import escaped, show
from nettrain.data.table import names_of
from nettrain.errors import Error, Place

_MAGIC = b"\x93NUMPY"
_HEAD = 1 << 14
"""Bytes in which a header ends; NumPy writes 128."""
_HEADER = re.compile(
    rb"\s*\{\s*'descr':\s*'([^']*)',\s*'fortran_order':\s*(True|False),"
    rb"\s*'shape':\s*\(([\d, ]*)\),?\s*\}\s*"
)
_PLAIN = re.compile(r"[<>|=]?[biufcSUmMVO]\d{0,9}")
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Other ways may ask for gigabytes before the first byte."""
_LONGEST = 200
"""Characters of a reason that a message shows."""
_UNREADABLE = (ValueError, OSError, EOFError, RuntimeError, OverflowError)


def arrays(
    data: bytes, label: str, wanted: re.Pattern[str]
) -> dict[str, np.ndarray | None]:
    """The arrays of an npz file, their names in small letters.

    Args:
        wanted: names of arrays that are read; the others are None.

    Raises:
        Error: `data-array`, or `memory-full` of arrays that would not fit.
    """
    try:
        return _arrays(data, label, wanted)
    except (*_UNREADABLE, zipfile.BadZipFile, zlib.error) as error:
        raise Error(
            "data-array",
            f"not an npz file of plain arrays: {escaped(str(error)[:_LONGEST])}",
            place=Place(label),
            fix="write it with numpy.savez(path, x=inputs, y=targets)",
        ) from None


def _arrays(
    data: bytes, label: str, wanted: re.Pattern[str]
) -> dict[str, np.ndarray | None]:
    if not data.startswith(b"PK"):  # as zip archives do
        raise ValueError("it is no archive of arrays")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members: dict[str, zipfile.ZipInfo] = {}
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy").lower()
            if name in members:
                raise ValueError(f"it holds {names_of([name])} twice")
            members[name] = member
        read = {name: m for name, m in members.items() if wanted.fullmatch(name)}
        refuse_huge(sum(member.file_size for member in read.values()), label)
        return {
            name: _array(archive, member, name) if name in read else None
            for name, member in members.items()
        }


def refuse_huge(size: int, label: str) -> None:
    """Arrays are copied at least once: half of the memory is too much for them."""
    memory = _memory()
    if memory is not None and size > memory // 2:
        sizes = f"{size / 2**30:,.1f} GiB, and this machine has {memory / 2**30:,.1f}"
        raise Error(
            "memory-full",
            f"the arrays take {sizes}",
            place=Place(label),
            fix="train on a part of the rows",
        )


def _memory() -> int | None:
    """Bytes of this machine, where they are known."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> np.ndarray:
    if member.flag_bits & 1:
        raise ValueError(f"{name} is encrypted")
    if member.compress_type not in _PACKED:
        raise ValueError(f"{name} is packed as NumPy never does")
    with archive.open(member) as file:
        head = file.read(_HEAD)
        start, dtype, fortran, shape = _header(head, name)
        size = math.prod(shape) * dtype.itemsize
        if start + size != member.file_size:
            raise ValueError(
                f"{name} has the shape {shape} of {dtype.itemsize} bytes each, "
                f"and holds {member.file_size - start} bytes"
            )
        # No more than is asked for is ever unpacked.
        content = head[start:] + file.read(max(0, member.file_size - len(head)))
    if len(content) != size:
        raise ValueError(f"{name} is cut off")
    if dtype.kind == "U" and not _unicode(np.frombuffer(content, f"{dtype.str[0]}u4")):
        raise ValueError(f"{name} holds a text that is not Unicode")
    values = np.frombuffer(content, dtype, math.prod(shape))
    return values.reshape(shape, order="F" if fortran else "C")


def _unicode(points: np.ndarray) -> bool:
    """Whether these are code points, and no halves of one: Python trusts NumPy here."""
    halves = (points >= 0xD800) & (points < 0xE000)
    return not bool((halves | (points > 0x10FFFF)).any())


def _header(head: bytes, name: str) -> tuple[int, np.dtype, bool, tuple[int, ...]]:
    """Where the values begin, their type, order and shape."""
    if not head.startswith(_MAGIC) or head[6:7] not in (b"\1", b"\2", b"\3"):
        raise ValueError(f"{name} is no array")
    first = 10 if head[6] == 1 else 12
    start = first + int.from_bytes(head[8:first], "little")
    match = _HEADER.fullmatch(head[first:start])
    if start > len(head) or match is None:
        raise ValueError(f"{name} has no header of a plain array")
    code, fortran, shape = match[1].decode("latin-1"), match[2], match[3].decode()
    try:
        dtype = np.dtype(code if _PLAIN.fullmatch(code) else "?unknown")
    except TypeError:
        raise ValueError(f"{name} has the unknown dtype {show(code)}") from None
    if dtype.hasobject:
        raise ValueError("an array holds Python objects")
    axes = [int(axis) for axis in shape.replace(" ", "").split(",") if axis]
    return start, dtype, fortran == b"True", tuple(axes)
