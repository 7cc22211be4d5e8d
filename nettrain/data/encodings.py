"""Text files in any encoding, as UTF-8, which is what tables are read from."""

from __future__ import annotations

import codecs

import numpy as np

from nettrain.component import show
from nettrain.data.faults import OtherReading
from nettrain.data.lines import Lines
from nettrain.errors import Error, Place

PIECE = 1 << 19
"""Bytes decoded at a time: a text may take four times the memory of its bytes."""
_MARK = codecs.BOM_UTF8
"""The byte order mark, which is no part of the text."""
_MARKED = {  # in this order: a mark of 32 bits begins with one of 16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SUPPOSED = "cp1252"
"""What spreadsheets of western Europe and America save."""
_ASCII, _NULLS = 0.3, 0.01
"""Of UTF-16 at least so many characters are ASCII; elsewhere so few bytes are null."""
_OTHERS = "cp1250 in central Europe, cp1251 Cyrillic, cp932 Japanese, gb18030 Chinese"
UNKNOWN = "…"
"""Stands for an encoding that nobody has said."""
_NOT_OF_FILES = ("idna", "punycode", "raw-unicode-escape", "undefined", "utf-7")
_NOT_OF_FILES += ("unicode-escape",)


def is_encoding(name: str) -> bool:
    """Whether Python has a codec of that name that files of text are written in."""
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):  # a name may hold anything
        return False
    return codec._is_text_encoding and codec.name not in _NOT_OF_FILES


def utf8(data: bytes | memoryview, file: str, encoding: str) -> memoryview:
    """The same text in UTF-8, without a byte order mark.

    A file that begins with the mark of UTF-8 is in UTF-8, whatever is said of it.

    Raises:
        Error: `data-encoding` at the first byte that is no text of the encoding.
    """
    data = memoryview(data)
    marked = data[: len(_MARK)] == _MARK
    data = data[len(_MARK) :] if marked else data
    if marked or codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
        codes = np.frombuffer(data, np.uint8)
        bad = -1 if codes.max(initial=0) < 128 else _undecodable(data, "utf-8")
        if bad >= 0:
            raise _not_utf8(data, file, bad)
        made = data
    else:
        _refuse_utf8(data, file, encoding)
        text = bytearray()
        bad = _undecodable(data, encoding, text)
        if bad >= 0:
            raise _not_encoded(data, file, encoding, bad)
        made = memoryview(text)
        made = made[len(_MARK) :] if made[: len(_MARK)] == _MARK else made
    codes = np.frombuffer(made, np.uint8)
    if codes.min(initial=1) == 0:
        place = Lines(made, file).place(int(codes.argmin()))
        message = "a null character, which text has none of"
        error = Error("data-encoding", message, place=place, fix="remove it")
        narrow = "a".encode(encoding) == b"a"
        raise (_wide(data, file) if narrow else None) or error
    return made


def _refuse_utf8(data: memoryview, file: str, encoding: str) -> None:
    """Refuse UTF-8 where each byte is said to be a character.

    It would be read without a word, "ö" as "Ã¶", which no category is called. The other
    way round, such a text hardly ever passes for UTF-8: not with one letter beyond
    ASCII among others, as in "schön", nor with one symbol by itself. Each would have to
    be followed by just as many symbols as its bits say, as in "Ø½". So one such place
    is enough: who has nothing but these saves the table as UTF-8, while a wrong reading
    is seen by nobody.
    """
    if len(bytes(range(256)).decode(encoding, "replace")) != 256:
        return  # characters of several bytes, which seldom come out even
    beyond = np.frombuffer(data, np.uint8) >= 128
    if not beyond.any() or _undecodable(data, "utf-8") >= 0:
        return
    at = int(beyond.argmax())
    letter = bytes(data[at : at + 4]).decode(errors="ignore")[0]
    read = letter.encode().decode(encoding, "replace")
    message = f"{file} is UTF-8: as {encoding}, its {show(letter)} would be read as "
    message += show(read)
    place, fields = Lines(data, file).place(at), {"encoding": "utf-8"}
    raise OtherReading("data-encoding", message, place, fields, sure=True)


def _undecodable(data: memoryview, encoding: str, made: bytearray | None = None) -> int:
    """Where the first byte stands that is no text of the encoding, or -1.

    Args:
        made: is given the text before it, in UTF-8.
    """
    decoder, start = codecs.getincrementaldecoder(encoding)(), 0
    for stop in range(PIECE, len(data) + PIECE, PIECE):
        held = len(decoder.getstate()[0])  # of a character that was cut through
        try:
            text = decoder.decode(data[start:stop], stop >= len(data))
        except UnicodeError as error:  # without a place, where UTF-16 has no mark
            return start - held + getattr(error, "start", 0)
        if made is not None:
            made += text.encode()
        start = stop
    return -1


def _not_utf8(data: memoryview, file: str, bad: int) -> Error:
    """The error of a byte that is not UTF-8, with the encoding that may be meant."""
    place = Lines(data, file).place(bad)
    if wide := _wide(data, file):
        return wide
    message = f"not UTF-8 text: the byte 0x{data[bad]:02X}"
    if np.frombuffer(data[:bad], np.uint8).max(initial=0) >= 128:  # of several bytes
        fix = "mend it: the characters before it are UTF-8"
        return Error("data-encoding", message, place=place, fix=fix)
    if 0 in data[:PIECE] or _undecodable(data, _SUPPOSED) >= 0:
        fields, why = {"encoding": UNKNOWN}, f", the one it was saved in: {_OTHERS}"
        return OtherReading("data-encoding", message, place, fields, why=why)
    letter = bytes(data[bad : bad + 1]).decode(_SUPPOSED)
    message += f", which is {show(letter)} in {_SUPPOSED}"
    fields, why = {"encoding": _SUPPOSED}, f", if it is from western Europe; {_OTHERS}"
    return OtherReading("data-encoding", message, place, fields, why=why)


def _wide(data: memoryview, file: str) -> OtherReading | None:
    """The error of a text in units of 16 or 32 bits that is read as if of 8, if it is.

    Its mark tells it, or else that every other byte is null, as in all of ASCII.
    """
    marks = (name for mark, name in _MARKED.items() if data[: len(mark)] == mark)
    name, unmarked = next(marks, None), ""
    if name is None and len(data) > 1:
        units = np.frombuffer(data[: min(PIECE, len(data) // 2 * 2)], np.uint8)
        first, second = (units.reshape(-1, 2) == 0).mean(axis=0).tolist()
        if max(first, second) < _ASCII or min(first, second) > _NULLS:
            return None
        name = "utf-16-be" if first > second else "utf-16-le"
        unmarked = " without a byte order mark"
    if name is None:
        return None
    message, fields = f"{file} is {name[:6].upper()}{unmarked}", {"encoding": name}
    return OtherReading("data-encoding", message, Place(file), fields, sure=True)


def _not_encoded(data: memoryview, file: str, encoding: str, bad: int) -> Error:
    made = bytearray()
    _undecodable(data[:bad], encoding, made)
    place = Lines(bytes(made) + "\ufffd".encode(), file).place(len(made))
    message = f"not {show(encoding)} text: the byte 0x{data[bad]:02X}"
    fields, why = {"encoding": UNKNOWN}, ", the one it was saved in"
    if codecs.lookup(encoding).name in ("utf-16", "utf-32"):
        why += f"; without a byte order mark it is {encoding}-le or {encoding}-be"
    return OtherReading("data-encoding", message, place, fields, why=why)
