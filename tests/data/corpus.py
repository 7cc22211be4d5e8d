"""Bad tables, each with the code, line and column of every error that it has.

name: (content, data section beside the defaults, [(code, line:column), …])
"""

from __future__ import annotations

from typing import Any

Case = tuple[str | bytes, dict[str, Any], list[tuple[str, str]]]

RAGGED, QUOTE, HEADER = "data-ragged-row", "data-quote", "data-header"
TWICE, ENCODING, NONE = "data-duplicate-column", "data-encoding", "data-no-rows"
TEXT, MISSING, INFINITE = "data-not-a-number", "data-missing-value", "data-infinite"
EMPTY, ONE, UNSEEN = "data-empty-column", "data-one-class", "data-unseen-class"

HEADERS: dict[str, Case] = {
    "empty header in the middle": ("a,,y\n1,2,0\n", {}, [(HEADER, "1:3")]),
    "two empty headers": (",,y\n1,2,0\n", {}, [(HEADER, "1:1"), (HEADER, "1:2")]),
    "all headers empty": (",\n1,0\n", {}, [(HEADER, "1:1"), (HEADER, "1:2")]),
    "empty quoted header": ('"",y\n1,0\n', {}, [(HEADER, "1:1")]),
    "blank quoted header": ('a,"  ",y\n1,2,0\n', {}, [(HEADER, "1:3")]),
    "header of a tab": ("a,\t,y\n1,2,0\n", {}, [(HEADER, "1:3")]),
    "header of a no-break space": ("a,\u00a0,y\n1,2,0\n", {}, [(HEADER, "1:3")]),
    "header ends with a comma and a blank": ("a,y, \n1,0,2\n", {}, [(HEADER, "1:6")]),
    "header after blank lines": ("\n\n,y\n1,0\n", {}, [(HEADER, "3:1")]),
    "header after a BOM": ("\ufeff,y\n1,0\n", {}, [(HEADER, "1:1")]),
    "header in Windows lines": (",y\r\n1,0\r\n", {}, [(HEADER, "1:1")]),
    "duplicate in quotes": ('a,"a",y\n1,2,0\n', {}, [(TWICE, "1:3")]),
    "duplicate with a doubled quote": (
        '"a""b","a""b",y\n1,2,0\n',
        {},
        [(TWICE, "1:8")],
    ),
    "duplicate target": ("a,y,y\n1,0,1\n", {}, [(TWICE, "1:5")]),
    "duplicate after umlauts": ("äö,äö,y\n1,2,0\n", {}, [(TWICE, "1:4")]),
    "duplicate after an emoji": ("😀,b,😀,y\n1,2,3,0\n", {}, [(TWICE, "1:5")]),
    "duplicate in the second line": ("\na,a,y\n1,2,0\n", {}, [(TWICE, "2:3")]),
    "duplicate in a header of two lines": (
        '"a\nb",c,c,y\n1,2,3,0\n',
        {},
        [(TWICE, "2:6")],
    ),
    "duplicate and empty": ("a,a,,y\n1,2,3,0\n", {}, [(TWICE, "1:3"), (HEADER, "1:5")]),
    "duplicate header and a short row": (
        "a,a,y\n1,2\n",
        {},
        [(TWICE, "1:3"), (RAGGED, "2:4")],
    ),
    "numbers with signs and exponents": ("-1,+2e3,.5\n1,2,3\n", {}, [(HEADER, "1:1")]),
    "numbers in quotes": ('"1.5","2.5"\n1,2\n', {}, [(HEADER, "1:1")]),
    "numbers after a blank line": ("\n1.5,2.5\n1,2\n", {}, [(HEADER, "2:1")]),
    "numbers with blanks": ("  1.5,2.5\n1,2\n", {}, [(HEADER, "1:3")]),
    "equal integers": ("1,1\n1,2\n", {}, [(HEADER, "1:1")]),
    "a number alone": ("1.5\n2\n", {}, [(HEADER, "1:1")]),
}

ROWS: dict[str, Case] = {
    "header of a comma and no rows": (",", {}, [(HEADER, "1:1"), (HEADER, "1:2")]),
    "a BOM alone": ("\ufeff", {}, [(NONE, "1")]),
    "one line end": ("\n", {}, [(NONE, "1")]),
    "Windows lines, all blank": ("\r\n  \r\n", {}, [(NONE, "1")]),
    "blank quotes alone": ('""\n" "\n', {}, [(NONE, "1")]),
    "tabs alone": ("\t\n\t\t\n", {}, [(NONE, "1")]),
    "header and blank lines": ("a,y\n\n   \n", {}, [(NONE, "1")]),
    "header in quotes and no rows": ('"a","y"', {}, [(NONE, "1")]),
    "short row at the end of the file": ("a,y\n1,0\n2", {}, [(RAGGED, "3:2")]),
    "short row with blanks": ("a,b,y\n1,2,0\n1  \n", {}, [(RAGGED, "3:2")]),
    "short row that ends with a comma": ("a,b,y\n1,2,0\n1,\n", {}, [(RAGGED, "3:3")]),
    "short row of quotes": ('a,b,y\n"1","2"\n1,2,0\n', {}, [(RAGGED, "2:8")]),
    "short row of a quoted nothing and more": (
        'a,b,y\n"",1\n1,2,0\n',
        {},
        [(RAGGED, "2:5")],
    ),
    "short row after umlauts": ("a,b,y\nöä,ü\n1,2,0\n", {}, [(RAGGED, "2:5")]),
    "short row in Windows lines": ("a,b,y\r\n1,2\r\n", {}, [(RAGGED, "2:4")]),
    "short row in old Mac lines": ("a,b,y\r1,2\r1,2,0\r", {}, [(RAGGED, "2:4")]),
    "short row of a cell of two lines": (
        'a,b,y\n1,"2\n3"\n1,2,0\n',
        {},
        [(RAGGED, "2:5")],
    ),
    "a word among the rows": ("a,y\n1,0\ntotal\n2,1\n", {}, [(RAGGED, "3:6")]),
    "a comment at the top": (
        "# made today\na,y\n1,0\n",
        {},
        [(HEADER, "1:1")],
    ),
    "a comment below": ("a,y\n1,0\n# end\n", {}, [(RAGGED, "3:6")]),
    "long row": ("a,y\n1,0,5\n", {}, [(RAGGED, "2:5")]),
    "long row of quotes": ('a,y\n"1","0","5"\n', {}, [(RAGGED, "2:9")]),
    "long row of blanks": ("a,y\n1,0,   ,  \n", {}, [(RAGGED, "2:8")]),
    "long row with a blank at its end": ("a,y\n1,0, \n", {}, [(RAGGED, "2:6")]),
    "long row of commas": ("a,y\n,,,,\n1,0\n", {}, [(RAGGED, "2:3")]),
    "long row after two lines": ('a,y\n"p\nq",0,1\nr,1\n', {}, [(RAGGED, "3:6")]),
    "long row inside a cell of two lines": (
        'a,y\n1,0,"p\nq"\nr,1\n',
        {},
        [(RAGGED, "2:5")],
    ),
    "long and short": ("a,y\n1,0,2\n1\n", {}, [(RAGGED, "2:5"), (RAGGED, "3:2")]),
    "wider from a row on": (
        "a,y\n1,0\n1,0,1\n1,1,1\n",
        {},
        [(RAGGED, "3:5"), (RAGGED, "4:5")],
    ),
    "two tables in one file": (
        "a,y\n1,0\n\nb,c,d\n1,2,3\n",
        {},
        [(RAGGED, "4:5"), (RAGGED, "5:5")],
    ),
    "thousands in numbers": ("a,y\n1,000,0\n2,1\n", {}, [(RAGGED, "2:7")]),
    "decimal commas without quotes": ("a,y\n1,5,0\n", {}, [(RAGGED, "2:5")]),
    "a quote and a comma in a bare cell": ('a,y\n5" x, 3",0\n', {}, [(RAGGED, "2:10")]),
    "blank line in a table of one column": ("y\n1,\n\n0\n", {}, [(RAGGED, "2:3")]),
    "one column too many everywhere": (
        "a\n1,0\n2,1\n",
        {},
        [(HEADER, "1:1")],
    ),
}

QUOTES: dict[str, Case] = {
    "never closed at the end": ('a,y\n1,"0', {}, [(QUOTE, "2:3")]),
    "never closed, nothing behind": ('a,y\n1,0\n"', {}, [(QUOTE, "3:1")]),
    "never closed after blanks": ('a,y\n   "1,0\n', {}, [(QUOTE, "2:4")]),
    "never closed after umlauts": ('ä,y\nü,"x\n', {}, [(QUOTE, "2:3")]),
    "never closed with pairs": ('a,y\n"x"",0\n2,1\n', {}, [(QUOTE, "2:1")]),
    "never closed in Windows lines": ('a,y\r\n1,"0\r\n2,1\r\n', {}, [(QUOTE, "2:3")]),
    "never closed header": ('"a,y\n1,0\n', {}, [(QUOTE, "1:1")]),
    "number behind a quote": ('a,y\n"1"2,0\n', {}, [(QUOTE, "2:1")]),
    "word behind a blank": ('a,y\n"1" kg,0\n', {}, [(QUOTE, "2:1")]),
    "text behind the second quote": ('a,y\n1,"0"x\n', {}, [(QUOTE, "2:3")]),
    "quote inside without its pair": ('a,y\n"5" x 3",0\n', {}, [(QUOTE, "2:1")]),
    "another separator behind quotes": ('a,y\n"p";0\n', {}, [(QUOTE, "2:1")]),
    "broken header": ('"a"b,y\n1,0\n', {}, [(QUOTE, "1:1")]),
    "broken and empty header": ('""a,y\n1,0\n', {}, [(QUOTE, "1:1"), (HEADER, "1:1")]),
    "two in one row": ('a,y\n"p"q,"r"s\n', {}, [(QUOTE, "2:1"), (QUOTE, "2:6")]),
    "in two rows": ('a,y\n"p"q,0\n1,"r"s\n', {}, [(QUOTE, "2:1"), (QUOTE, "3:3")]),
    "after a cell of two lines": ('a,y\n"p\nq"r,0\n', {}, [(QUOTE, "2:1")]),
    "and a ragged row": ('a,y\n"p"q,0\n1\n', {}, [(QUOTE, "2:1"), (RAGGED, "3:2")]),
    "alone in its row": ('a,y\n1,0\n" "x\n', {}, [(QUOTE, "3:1")]),
}

BYTES: dict[str, Case] = {
    "Latin-1 in the header": ("größe,y\n1,0\n".encode("latin-1"), {},
                              [(ENCODING, "1:3")]),
    "Latin-1 in quotes": ('a,y\n"é",0\n'.encode("latin-1"), {}, [(ENCODING, "2:2")]),
    "Latin-1 at the end": ("a,y\n1,é".encode("latin-1"), {}, [(ENCODING, "2:3")]),
    "Latin-1 in old Mac lines": ("a,y\r1,0\ré,1".encode("latin-1"), {},
                                 [(ENCODING, "3:1")]),
    "Windows-1252": ("a,y\n“x”,0\n".encode("cp1252"), {}, [(ENCODING, "2:1")]),
    "UTF-8 cut off": ("a,y\n1,é".encode()[:-1], {}, [(ENCODING, "2:3")]),
    "UTF-8 overlong": (b"a,y\n\xc0\xaf,0\n", {}, [(ENCODING, "2:1")]),
    "half of a surrogate": (b"a,y\n1,\xed\xa0\x80\n", {}, [(ENCODING, "2:3")]),
    "beyond Unicode": (b"a,y\n\xf5\x80\x80\x80,0\n", {}, [(ENCODING, "2:1")]),
    "UTF-16 without a mark": ("a,y\n1,0\n".encode("utf-16-le"), {}, [(ENCODING, "")]),
    "UTF-32": ("a,y\n1,0\n".encode("utf-32"), {}, [(ENCODING, "")]),
    "bad byte after emoji": ("a,y\n😀".encode() + b"\xff,0\n", {}, [(ENCODING, "2:2")]),
    "bad byte and a ragged row": (b"a,y\n1\n\xff,0\n", {}, [(ENCODING, "3:1")]),
    "null in the header": (b"a\0,y\n1,0\n", {}, [(ENCODING, "1:2")]),
    "null in quotes": (b'a,y\n"x\0",0\n', {}, [(ENCODING, "2:3")]),
    "null at the end": (b"a,y\n1,0\n\0", {}, [(ENCODING, "3:1")]),
    "nulls alone": (b"\0\0\0\0", {}, [(ENCODING, "1:1")]),
    "null in a cell of two lines": (b'a,y\n"x\n\0",0\n', {}, [(ENCODING, "3:1")]),
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", {}, [(ENCODING, "1:2")]),
    "a zip archive": (b"PK\x03\x04\x14\x00\x00\x00", {}, [(ENCODING, "1:6")]),
    "a picture": (b"\x89PNG\r\n\x1a\n", {}, [(ENCODING, "1:1")]),
}  # fmt: skip


def number(cell: str) -> Case:
    """A column of numbers with one cell that is none, in line 3."""
    return f"a,y\n1,0\n{cell},1\n2,0\n", {}, [(TEXT, "3:1")]


NUMBERS: dict[str, Case] = {
    f"no number: {cell}": number(cell)
    for cell in (
        "1.2.3", "1..2", "..1", ".", "-", "+", "--1", "+-1", "1-", "1-2", "1e", "1e+",
        "e5", ".e5", "1e5.0", "1e1e1", "1 2", "1_0", "0b1", "0o7", "0x1p3", "1f", "1L",
        "1j", "1d5", "1^2", "1/2", "50%", "$5", "5€", "1:30", "2024-01-31", "(5)", "~5",
        "1'000", "*", "#N/A", "n/a", "None", "Null", "NAN", "-nan", "nan(1)", "infinit",
        "in", "5−", "½", "٣", "Ⅷ", "１２", "ınf", "true", "9" * 30 + "x", "1\u200b",
    )
}  # fmt: skip

CELLS: dict[str, Case] = {
    "number then text in the last row": ("a,y\n1,0\n2,1\n3x,0", {}, [(TEXT, "4:1")]),
    "bad cell in the last column": ("y,a\n0,1\n1,2\n0,x\n", {}, [(TEXT, "4:3")]),
    "bad cell after a tab": ("a,b,y\n1,1,0\n1,\tx,1\n1,2,0\n", {}, [(TEXT, "3:3")]),
    "bad cell after emoji": ("n,a,y\n😀😀,x,0\nq,1,1\nq,2,0\n", {}, [(TEXT, "2:4")]),
    "bad cell in quotes with a pair": (
        'a,y\n1,0\n"5""",1\n2,0\n',
        {},
        [(TEXT, "3:1")],
    ),
    "bad cell of two lines": ('a,y\n1,0\n"1\n2",1\n2,0\n3,1\n', {}, [(TEXT, "3:1")]),
    "bad cells in two columns": (
        "a,b,y\n1,x,0\nz,1,1\n2,2,0\n",
        {},
        [(TEXT, "2:3"), (TEXT, "3:1")],
    ),
    "half of the cells": ("a,y\n1,0\nx,1\n", {}, [(TEXT, "3:1")]),
    "text in a declared column": (
        "a,b,y\n1,2,0\nx,3,1\nz,4,0\n",
        {"columns": {"a": "numeric"}},
        [(TEXT, "3:1"), (TEXT, "4:1")],
    ),
    "a mark that is not one here": (
        "a,y\n1,0\nNA,1\n2,0\n",
        {"source": {"file": {"path": "table.csv", "missing_values": ["?"]}}},
        [(TEXT, "3:1")],
    ),
    "a mark of one's own": (
        "a,y\n1,0\n-999,1\n2,0\n",
        {"source": {"file": {"path": "table.csv", "missing_values": ["", "-999"]}}},
        [(MISSING, "3:1")],
    ),
    "missing in quotes": ('a,y\n1,0\n"",1\n2,0\n', {}, [(MISSING, "3:1")]),
    "missing in quotes, blank": ('a,y\n1,0\n" ",1\n2,0\n', {}, [(MISSING, "3:1")]),
    "missing as a tab": ("a,y\n1,0\n\t,1\n2,0\n", {}, [(MISSING, "3:1")]),
    "missing as null": ("a,y\n1,0\nnull,1\n2,0\n", {}, [(MISSING, "3:1")]),
    "missing as NULL after blanks": ("a,y\n1,0\n  NULL,1\n", {}, [(MISSING, "3:3")]),
    "missing as N/A in quotes": ('a,y\n1,0\n"N/A",1\n', {}, [(MISSING, "3:1")]),
    "missing as nan": ("a,y\n1,0\nnan,1\n2,0\n", {}, [(MISSING, "3:1")]),
    "missing in every column": (
        "a,b,y\n1,2,0\n,,1\n3,4,0\n",
        {},
        [(MISSING, "3:1"), (MISSING, "3:2")],
    ),
    "a row of nothing but commas": (
        "a,y\n1,0\n,\n2,1\n",
        {},
        [(MISSING, "3:1"), (MISSING, "3:2")],
    ),
    "missing at the end of the file": ("a,y\n1,0\n2,1\n3,", {}, [(MISSING, "4:3")]),
    "missing category": ("z,y\nn,0\ns,1\n,0\n", {}, [(MISSING, "4:1")]),
    "missing category NA": ("z,y\nn,0\ns,1\nNA,0\n", {}, [(MISSING, "4:1")]),
    "missing in a dropped and a kept column": (
        "a,b,y\n,1,0\n1,,1\n2,2,0\n1,3,1\n",
        {"missing": {"a": "drop"}},
        [(MISSING, "3:3")],
    ),
    "missing target, dropped elsewhere": (
        "a,y\n1,0\n2,\n3,1\n",
        {"missing": {"a": "drop"}},
        [(MISSING, "3:3")],
    ),
    "missing text target": ("a,y\n1,no\n2,\n3,yes\n", {}, [(MISSING, "3:3")]),
    "too large": ("a,y\n1,0\n1.8e308,1\n2,0\n", {}, [(INFINITE, "3:1")]),
    "too large and negative": ("a,y\n1,0\n-1e309,1\n2,0\n", {}, [(INFINITE, "3:1")]),
    "too many digits": (f"a,y\n1,0\n{'9' * 400},1\n2,0\n", {}, [(INFINITE, "3:1")]),
    "infinite in quotes": ('a,y\n1,0\n"inf",1\n2,0\n', {}, [(INFINITE, "3:1")]),
    "+Infinity": ("a,y\n1,0\n+Infinity,1\n2,0\n", {}, [(INFINITE, "3:1")]),
    "INF": ("a,y\n1,0\n  INF,1\n2,0\n", {}, [(INFINITE, "3:3")]),
    "infinite all over": (
        "a,y\ninf,0\n-inf,1\n",
        {},
        [(INFINITE, "2:1"), (INFINITE, "3:1")],
    ),
    "infinite target too": (
        "a,y\n1,0.5\n2,-inf\n3,1\n",
        {},
        [(INFINITE, "3:3")],
    ),
    "text among real targets": (
        "a,y\n1,0.5\n2,x\n3,1.5\n",
        {"task": "regression"},
        [(TEXT, "3:3")],
    ),
    "missing real target": (
        "a,y\n1,0.5\n2,NA\n3,1.5\n",
        {"task": "regression"},
        [(MISSING, "3:3")],
    ),
    "second of two targets": (
        "a,u,v\n1,0.5,1\n2,1.5,\n3,2.5,2\n",
        {"target": ["u", "v"]},
        [(MISSING, "3:7")],
    ),
    "empty column of marks": ("a,b,y\n1,NA,0\n2,nan,1\n", {}, [(EMPTY, "1")]),
    "empty column of quotes": ('a,b,y\n1,"",0\n2," ",1\n', {}, [(EMPTY, "1")]),
    "decimal comma with a sign": (
        'a,y\n"-1,5",0\n"2,5",1\n',
        {},
        [(TEXT, "2:1")],
    ),
    "decimal comma in a table of semicolons": (
        "a;y\n1,5;0\n2,5;1\n",
        {"source": {"file": {"path": "table.csv", "delimiter": ";"}}},
        [(TEXT, "2:1")],
    ),
    "one class of numbers": ("a,y\n1,3\n2,3\n", {"task": "classification"},
                             [(ONE, "")]),
    "one class beside missing ones": (
        "a,y\n1,no\n2,no\n3,\n",
        {"missing": "drop"},
        [(ONE, "")],
    ),
    "every row is dropped": (
        "a,y\n,0\n,1\n",
        {"missing": "drop", "columns": {"a": "categorical"}},
        [(NONE, "")],
    ),
    "twenty-two bad cells": (
        "a,y\n" + "1,0\n" * 30 + "x,1\n" * 22,
        {},
        [(TEXT, f"{line}:1") for line in range(32, 52)] + [(TEXT, "")],
    ),
}  # fmt: skip

CASES = HEADERS | ROWS | QUOTES | BYTES | NUMBERS | CELLS
