"""A text in any encoding is the same table, and a byte that is none of it is found."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nettrain.data import encodings
from nettrain.data.encodings import is_encoding, utf8
from nettrain.data.faults import OtherReading
from nettrain.errors import Error

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32-le", "cp1252",
             "latin-1", "cp932", "gb18030", "iso2022_jp", "cp037")  # fmt: skip


@given(
    st.text('aä東😀€,;"\n\r1.', max_size=60),
    st.sampled_from(ENCODINGS),
    st.integers(1, 9),
)
def test_any_encoding_is_the_same_text(text: str, name: str, piece: int) -> None:
    text = text.encode(name, "ignore").decode(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encodings, "PIECE", piece)
        assert bytes(utf8(text.encode(name), "f", name)) == text.encode()
        if name in ("utf-16-be", "utf-32-le"):  # which know no mark of their own
            marked = ("\ufeff" + text).encode(name)
            assert bytes(utf8(marked, "f", name)) == text.encode()


@pytest.mark.parametrize("name", ["cp1252", "cp932", "utf-8", "latin-1"])
def test_the_mark_of_utf8_says_what_a_file_is(name: str) -> None:
    assert bytes(utf8(codecs.BOM_UTF8 + "ä東".encode(), "f", name)) == "ä東".encode()


@pytest.mark.parametrize(
    ("data", "name", "place", "text"),
    [
        (b"a,b\n\xe4x\x81y", "cp1252", "f:2:3", "äx\ufffd"),
        ("a,b\n東".encode("cp932") + b"\x81", "cp932", "f:2:2", "東\ufffd"),
        ("ab\nä".encode("utf-16") + b"x", "utf-16", "f:2:2", "ä\ufffd"),
        ("ab\n".encode("utf-16-le") + b"\x00\xdc", "utf-16-le", "f:2:1", "\ufffd"),
        ("ab".encode("utf-16-le"), "utf-16", "f:1:1", "\ufffd"),
    ],
)
@pytest.mark.parametrize("piece", [1, 2, 3, 100])
def test_where_a_bad_byte_stands(
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    name: str,
    place: str,
    text: str,
    piece: int,
) -> None:
    monkeypatch.setattr(encodings, "PIECE", piece)
    with pytest.raises(Error) as caught:
        utf8(data, "f", name)
    assert caught.value.place is not None
    assert (str(caught.value.place), caught.value.place.text) == (place, text)


@pytest.mark.parametrize(
    ("name", "text", "told", "place"),
    [
        ("cp1252", "a,y\nGießen,1\n", '"ß" would be read as "ÃŸ"', "2:4"),
        ("latin-1", "größe,y\n1,2\n", '"ö" would be read as "Ã¶"', "1:3"),
        ("cp1252", "a\nÁ\n", '"Á" would be read as', "2:1"),  # 0x81 is nothing there
        ("cp1251", "город,y\n", '"г" would be read as "Рі"', "1:1"),
        ("cp437", "a,y\n😀,1\n", '"😀" would', "2:1"),
        ("ascii", "a,y\n€,1\n", '"€" would', "2:1"),
    ],
)
@pytest.mark.parametrize("piece", [1, 100])
def test_utf8_is_no_text_of_one_byte_for_each_character(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str,
    told: str,
    place: str,
    piece: int,
) -> None:
    monkeypatch.setattr(encodings, "PIECE", piece)
    with pytest.raises(OtherReading, match="f is UTF-8") as caught:
        utf8(text.encode(), "f", name)
    assert told in caught.value.message
    assert (caught.value.fields, caught.value.sure) == ({"encoding": "utf-8"}, True)
    assert str(caught.value.place) == f"f:{place}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cp1252", "ä"),
        ("cp1252", "Größe,Straße 5 m²,±3 °C,10 €"),
        ("cp1252", "déjà vu,naïve,À la carte,“no”"),
        ("cp1252", "ÄÖÜ,SÃO PAULO,½,Ø 12"),
        ("cp1250", "Łódź,Škoda"),
        ("cp1251", "Привет,мир"),
        ("cp1253", "Ελλάδα"),
        ("koi8-r", "привет,Мир"),
        ("cp866", "привет,Мир"),
        ("mac_roman", "Größe,café"),
        ("cp037", "plain,1,2"),
        ("latin-1", "plain"),
        ("cp932", "東京,大阪"),
        ("cp932", "ﾃｱ"),  # whose two bytes are "ñ" in UTF-8
        ("gb18030", "北京,上海"),
        ("utf-16", "Größe"),
    ],
)
def test_what_is_in_its_encoding_is_read(name: str, text: str) -> None:
    assert bytes(utf8(text.encode(name), "f", name)) == text.encode()


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["a,y\n1,0\n", "größe;y\n1;0\n", "имя,y\nмы,0\n"])
@pytest.mark.parametrize("said", ["utf-8", "cp1252"])
def test_utf16_without_a_mark(name: str, text: str, said: str) -> None:
    with pytest.raises(Error, match="UTF-16 without a byte order mark") as caught:
        utf8(text.encode(name), "f", said)
    assert f"encoding: {name}}}" in (caught.value.fix or "")


def test_a_null_character_is_found_in_any_encoding() -> None:
    with pytest.raises(Error, match="null character") as caught:
        utf8("a,b\n1,\0".encode("utf-16"), "f", "utf-16")
    assert str(caught.value.place) == "f:2:3"
    with pytest.raises(Error, match="null character"):
        utf8(b"a,\0b\n1,2\n3,4\n5,6\n", "f", "utf-8")


@pytest.mark.parametrize(
    "name",
    ["", "nope", "rot13", "zip", "idna", "undefined", "unicode_escape", "\ud800"],
)
def test_what_is_no_encoding_of_files(name: str) -> None:
    assert not is_encoding(name)
    assert all(map(is_encoding, ENCODINGS))
