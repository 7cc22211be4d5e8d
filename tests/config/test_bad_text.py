"""Texts that are no config: each with place, code and a part of what is said."""

from __future__ import annotations

import pytest

# What is pointed at stands between « and ».
BAD: list[tuple[str, str, str | None]] = [
    ("", "config-type", "an empty file"),
    ("\n\n", "config-type", "an empty file"),
    ("# only a comment\n", "config-type", "an empty file"),
    ("---\n", "config-type", "an empty file"),
    ("«~»\n", "config-type", "an empty file"),
    ("«null»\n", "config-type", "an empty file"),
    ("«[]»\n", "config-type", "a mapping of settings, got []"),
    ("«-» a\n- b\n", "config-type", "a mapping of settings"),
    ("«mlp»\n", "config-type", 'got "mlp"'),
    ("«3»\n", "config-type", "got 3"),
    ("«seed:3»\n", "config-type", 'a blank after the ":"'),
    ("«seed=3»\n", "config-type", "its keys are"),
    ("«{}»\n", "config-missing-key", "add data:"),
    ('«"seed: 3"»\n', "config-type", "its keys are"),
    ("seed: 1\n«---»\nseed: 2\n", "config-syntax", "second document"),
    ("seed: 1\n...\n«---»\nseed: 2\n", "config-syntax", "second document"),
    ("seed: 1\n...\n«s»eed: 2\n", "config-syntax", None),
    ("train:\n«\t»epochs: 3\n", "config-syntax", "indent with spaces"),
    ("train:\n  epochs: 3\n«\t»steps: 3\n", "config-syntax", "indent with spaces"),
    ("seed:«\t»3\n", "config-syntax", "a tab"),
    ("train:\n  «epochs»:3   # c\n  steps: 3\n", "config-syntax", '"epochs: value"'),
    ("model:\n  - dense: 3\n  «d»ense: 8\n", "config-syntax", 'begin it with "- "'),
    ("seed: 1\n «name»: a\n", "config-syntax", "mend the indentation"),
    ("seed: 1\n  «name»: a\n", "config-syntax", "mend the indentation"),
    ("train:\n  epochs: 3\n «s»teps: 4\n", "config-syntax", "mend the indentation"),
    ("train:\n   epochs: 3\n  «s»teps: 4\n", "config-syntax", "mend the indentation"),
    ("model:\n  - relu\n «-» relu\n", "config-syntax", "mend the indentation"),
    ("model:\n  - relu\n  «l»oss: mse\n", "config-syntax", "mend the indentation"),
    ("model:\n- relu\nloss: mse\n«-» relu\n",
     "config-syntax", "a list item where a key"),
    ("- relu\n«l»oss: mse\n", "config-syntax", "mend the indentation"),
    ("model: «-» relu\n", "config-syntax", "a line of its own"),
    ("loss: «mse - mae»\n", "config-unknown-component", "did you mean"),
    ("«seed»:3\nname: a\n", "config-syntax", 'blank after the ":"'),
    ("name: a\n«seed»:3\nloss: mse\n", "config-syntax", 'blank after the ":"'),
    ("name: a\n«seed» 3\nloss: mse\n", "config-syntax", '":"'),
    ("name: a\n«train»\n  epochs: 3\n", "config-syntax", '"train: value"'),
    ("«train»\n  epochs: 3\n", "config-syntax", '"train: value"'),
    ("«train»   # how long\n\n  epochs: 3\n", "config-syntax", '"train: value"'),
    ("train:\n  «stop»\n    patience: 3\n", "config-syntax", '"stop: value"'),
    ("name: a\n«seed»\nloss: mse\n", "config-syntax", '":"'),
    ("loss: mse«:» 3\n", "config-syntax", "in quotes"),
    ("name: my run«:» the first\n", "config-syntax", "in quotes"),
    ("«seed:»: 3\n", "config-unknown-key", None),
    ("«:» 3\n", "config-syntax", "a key is missing"),
    ("seed = 3\nname«:» a\n", "config-syntax", None),
    ("model: «[»dense: 3\n", "config-syntax", "close the bracket"),
    ("data: «{»source: iris\nseed: 3\n", "config-syntax", "close the bracket"),
    ("data: {source: iris, split: «[»1, 2\n}\n", "config-syntax", "bracket"),
    ("data: {source: iris«]»\n", "config-syntax", 'expected "," or "}"'),
    ("model: [relu«}»\n", "config-syntax", 'expected "," or "]"'),
    ("model: [relu]«]»\n", "config-syntax", None),
    ("data: {source: iris}«}»\n", "config-syntax", None),
    ("model: [relu, «,» relu]\n", "config-syntax", "a value is missing"),
    ("model: [«,»]\n", "config-syntax", "a value is missing"),
    ('metrics: ["a" «"»b"]\n', "config-syntax", "add the comma"),
    ("model: [relu] «r»elu\n", "config-syntax", None),
    ("{seed: 1}\n«n»ame: a\n", "config-syntax", "goes on after the end"),
    ("[relu]\n«n»ame: a\n", "config-syntax", "goes on after the end"),
    ("'a' «'»b'\n", "config-syntax", "goes on after the end"),
    ("name: «'»a\n", "config-syntax", "close the quote"),
    ('name: «"»a\nseed: 3\n', "config-syntax", "close the quote"),
    ("name: 'a' «b»\n", "config-syntax", None),
    ("name: 'it'«s»' mine'\n", "config-syntax", None),
    ('data: {source: "C:\\«d»ata\\wine.csv"}\n', "config-syntax", "single quotes"),
    ('data: {source: "data\\«w»ine.csv"}\n', "config-syntax", "single quotes"),
    ('name: "\\x«4»g"\n', "config-syntax", "single quotes"),
    ('name: "\\u«1»2"\n', "config-syntax", "single quotes"),
    ('name: "\\U«F»FFFFFFF"\n', "config-syntax", "out of range"),
    ('name: "\\U«0»0110000"\n', "config-syntax", "out of range"),
    ("name: 'a\n«-»--\n'\n", "config-syntax", "close the quote"),
    ("name: «@»home\n", "config-syntax", "in quotes"),
    ("name: «`»a`\n", "config-syntax", "in quotes"),
    ("name: «%»a\n", "config-syntax", "in quotes"),
    ("name: «*»\n", "config-syntax", "in quotes"),
    ("name: «&»\n", "config-syntax", "in quotes"),
    ("name: «&» a\n", "config-syntax", "in quotes"),
    ("name: «*a»\n", "config-syntax", "no anchor &a"),
    ("name: «?» a\n", "config-syntax", None),
    ("name: «|» a\n", "config-syntax", "on the next line"),
    ("name: «>» a\n", "config-syntax", "on the next line"),
    ("name: |«0»\n  a\n", "config-syntax", "on the next line"),
    ("«%» a comment\nseed: 1\n", "config-syntax", 'begin it with "#"'),
    ("«%»YAML 2.0\n---\nseed: 1\n", "config-syntax", '"%"'),
    ("«%»YAML 1.2\nseed: 1\n", "config-syntax", '"%"'),
    ("seed: «!!int» 3\n", "config-tag", "plain value"),
    ("seed: «!!python/object/apply:os.system» [ls]\n", "config-tag", "plain value"),
    ("seed: «!» 3\n", "config-tag", "plain value"),
    ("seed: «!<tag:yaml.org,2002:int>» 3\n", "config-tag", "plain value"),
    ("seed: &a «!!int» 3\n", "config-tag", "plain value"),
    ("seed: «!!int» &a 3\n", "config-tag", "plain value"),
    ("data: «!include» data.yaml\n", "config-tag", "plain value"),
    ("«!!map»\nseed: 3\n", "config-tag", "plain value"),
    ("«!!str» seed: 3\n", "config-tag", "plain value"),
    ("seed: «!»a!b 3\n", "config-syntax", "remove the tag"),
    ("name: &a x\nloss: «&a mse»\n", "config-syntax", "first in line 1"),
    ("data: &a {x: «*a»}\n", "config-alias", "inside the value"),
    ("data: &a\n  x: [1, {y: «*a»}]\n", "config-alias", "inside the value"),
    ("data:\n  <<: «3»\n", "config-type", "<< merges mappings"),
    ("data:\n  <<: [«3», {}]\n", "config-type", "<< merges mappings"),
    ("data:\n  <<: {a: 1}\n  «<<»: {b: 1}\n", "config-duplicate-key", "remove one"),
    ("seed: 1\n«seed»: 2\n", "config-duplicate-key", "first in line 1"),
    ("seed: 1\n«'seed'»: 2\n", "config-duplicate-key", "remove one"),
    ("data: {source: iris, «source»: wine}\n", "config-duplicate-key", "remove one"),
    ("«1»: x\n", "config-key", '"1"'),
    ("«1.5»: x\n", "config-key", '"1.5"'),
    ("«true»: x\n", "config-key", '"true"'),
    ("«null»: x\n", "config-key", '"null"'),
    ("«~»: x\n", "config-key", '"~"'),
    ("? «[a, b]»\n: x\n", "config-key", "got a list"),
    ("«{a: b}»: x\n", "config-key", "got a mapping"),
    ("?« »\n: x\n", "config-key", "got nothing"),
    ("{?« »: x}\n", "config-key", "got nothing"),
    ("seed: 1\nname: a«\x00»b\n", "config-syntax", "U+0000"),
    ("seed: 1\nname: a«\x1b»[31m\n", "config-syntax", "U+001B"),
    ("seed: 1\nname: a«\x7f»\n", "config-syntax", "U+007F"),
    ("seed: 1\n«\ufeff»name: a\n", "config-syntax", "U+FEFF"),
    ("seed: 1«\x0b»name: a\n", "config-syntax", "U+000B"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "said"), BAD)
def test_one_mistake_at_its_place(
    text: str, code: str, said: str | None, one_mistake
) -> None:
    # Sections that a text lacks are told, too: what is looked for stands beside them.
    beside = {"config-missing-key", "config-unknown-key"}
    one_mistake(text, code, said, beside)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: " + "[" * 49 + "«[»" + "]" * 50, "nested deeper than 50"),
        ("a: &a " + "[" * 30 + "]" * 30 + "\nb: " + "[" * 20 + "«*a»" + "]" * 20, "50"),
        ("a: &a [" + "[" * 30 + "]" * 30 + ", [1]]\nb: " + "[" * 20 + "«*a»]", "50"),
        ("a: [" + "1," * 99_997 + "«1»]", "more than 100,000 values"),
        ("a: &a [" + "1," * 999 + "]\nb: [" + "*a," * 98 + "«*a»]", "100,000"),
        ("seed: «" + "9" * 301 + "»", "the longest read has 300"),
        ("seed: «0x" + "f" * 299 + "»", "the longest read has 300"),
        ("patch: «[" + "{do: set, path: seed, value: 1}," * 101 + "]»", "at most 100"),
    ],
)
def test_limits(text: str, said: str, one_mistake) -> None:
    one_mistake(text + "\n", "config-limit", said, beside={"config-missing-key"})


@pytest.mark.parametrize(
    ("content", "column", "said"),
    [
        (b"name: gr\xfcn\n", 9, "0xFC"),  # Latin-1
        (b"name: \xed\xa0\x80\n", 7, "0xED"),  # half a character
        ("name: a\n".encode("utf-16"), 1, "0xFF"),  # Windows' Unicode
        (b"\x80", 1, "0x80"),
    ],
)
def test_other_encodings(content: bytes, column: int, said: str, mistakes) -> None:
    (error,) = mistakes(content)
    assert (error.code, error.place.line, error.place.column) == (
        "config-syntax",
        1,
        column,
    )
    assert said in error.message
    assert error.fix == "save the file as UTF-8"


@pytest.mark.parametrize("end", ["\r\n", "\r"])
@pytest.mark.parametrize("begin", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_change_no_place(
    begin: str, end: str, one_mistake
) -> None:
    text = "name: a\n# ½\nseed: «one»\n".replace("\n", end)
    beside = {"config-missing-key"}
    one_mistake(begin + text, "config-type", "an integer", beside=beside)
