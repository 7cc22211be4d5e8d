"""Hostile configs, tables and arrays, and names meant for a page or a terminal."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from nettrain.errors import visible
from tests.hostile import runs
from tests.hostile.case import Case, Cases, Command, Place, evil

# ---------------------------------------------------------------- configs

_MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], y{i}: *a{i - 1}}}\n"
    for i in range(1, 40)
)
_LAUGHS = 'a0: &a0 ["lol"]\n' + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 15)
)

CONFIGS: dict[str, str | bytes] = {
    "python/object/apply": 'seed: !!python/object/apply:os.system ["touch canary"]\n',
    "python/object/new": "seed: !!python/object/new:os.system [touch canary]\n",
    "python/name": "loss: !!python/name:os.system\n",
    "python/module": "loss: !!python/module:antigravity\n",
    "python/object": "seed: !!python/object:subprocess.Popen {args: [touch, canary]}\n",
    "a tag of its own": "!<tag:yaml.org,2002:python/object/apply:os.system> [ls]\n",
    "merge bomb": _MERGES,
    "billion laughs": _LAUGHS,
    "an alias in itself": "model: &a [*a]\n",
    "flow nested 100,000 deep": "model: " + "[" * 100_000,
    "block nested 5,000 deep": "".join(" " * i + "a:\n" for i in range(1400)),
    "number of a million digits": "seed: " + "9" * 1_000_000 + "\n",
    "hexadecimal without end": "seed: 0x" + "f" * 900_000 + "\n",
    "exponent without end": "seed: 1e" + "9" * 900_000 + "\n",
    "directive without end": "%YAML 1." + "9" * 5000 + "\n---\nseed: 0\n",
    "NUL": runs.CONFIG + "name: a\0b\n",
    "UTF-16": runs.CONFIG.encode("utf-16"),
    "latin-1": runs.CONFIG.encode() + b"name: caf\xe9\n",
    "two megabytes": "# " + "x" * 2_000_000 + "\n" + runs.CONFIG,
    "keys that are escapes": '"\\e]0;owned\\a\\e[31m": 1\n"\\x9b31m": 2\n',
    "keys that turn around": '"\u202eeman": 1\nname: "\u2066x"\n',
    "name that leads out": runs.CONFIG.replace("name: small", "name: ../../outside/x"),
    "name that is absolute": runs.CONFIG.replace("name: small", "name: /tmp/x"),
    "layer that leads out": runs.CONFIG.replace(
        "dense: 3", "dense: {units: 3, name: ../../x}"
    ),
    "layer that is a script": runs.CONFIG.replace(
        "dense: 3", 'dense: {units: 3, name: "<script>alert(1)</script>"}'
    ),
    "component that is a module": runs.CONFIG.replace("relu", "os.system"),
    "component that is code": runs.CONFIG.replace("cross_entropy", "__import__('os')"),
    "plugin": runs.CONFIG + "plugin: evil.py\n",
    "plugins in a list": runs.CONFIG + "plugins: [evil.py]\nimport: os\n",
    "extends itself": "extends: config.yaml\n" + runs.CONFIG,
    "extends a system file": "extends: /etc/passwd\n",
    "extends an endless device": "extends: /dev/zero\n",
    "extends a network address": "extends: http://127.0.0.1:9/x.yaml\n",
    "source is a command": runs.CONFIG.replace("table.csv", '"| touch canary .csv"'),
    "source is a network address": runs.CONFIG.replace(
        "table.csv", "http://127.0.0.1:9/x.csv"
    ),
    "source is a variable": runs.CONFIG.replace("table.csv", "$(touch canary).csv"),
    "source with a NUL": runs.CONFIG.replace("table.csv", '"table\\0.csv"'),
    "source is a folder": runs.CONFIG.replace("table.csv", "../outside/folder.csv"),
    "a trillion units": runs.CONFIG.replace("units: 4", "units: 1000000000000"),
    "a trillion layers": runs.CONFIG.replace(
        "- batch_norm", "- repeat: {times: 1000000000000, block: [dense: 4]}"
    ),
    "patch that leads out": runs.CONFIG
    + "patch: [{do: set, path: ../../x, value: 1}, {do: remove, path: __class__}]\n",
}


def _config(content: str | bytes) -> Callable[[Place], list[Command]]:
    def make(place: Place) -> list[Command]:
        (place.outside / "folder.csv").mkdir()
        place.write("evil.py", "import antigravity\nopen('/tmp/evil', 'w')\n")
        commands = place.config()
        place.write("config.yaml", content)
        os.chdir(place.folder)
        return [*commands, ["lr", str(place.folder / "config.yaml")]]

    return make


def configs() -> Cases:
    for name, content in CONFIGS.items():
        yield Case(f"config: {name}", _config(content))

    def pickled(place: Place) -> list[Command]:
        commands = place.config()
        place.write("config.yaml", evil(place))
        return commands

    yield Case("config: pickle", pickled)
    for kind in ("pipe", "endless device", "folder", "link"):
        yield Case(f"config: {kind}", _no_file("config.yaml", kind))
        yield Case(f"config: extends a {kind}", _no_file("base.yaml", kind))

    def nice(place: Place) -> list[Command]:
        text = b"\xef\xbb\xbf" + runs.CONFIG.replace("\n", "\r\n").encode()
        commands = place.config()
        place.write("config.yaml", text)
        return commands

    yield Case("config: byte order mark and CRLF", nice)

    def expression(place: Place) -> list[Command]:
        touch = f"__import__('os').system('touch {place.outside}/canary')"
        return [
            ["graph", f"f = {text}"]
            for text in (
                touch,
                f"x + {touch}",
                "(lambda: 0)()",
                "x.__class__.__mro__",
                "[c for c in ().__class__.__base__.__subclasses__()]",
                "open('canary', 'w')",
                "9" * 100_000,
                "9**9**9**9",
                "(" * 5000 + "x" + ")" * 5000,
                "x\x1b]0;owned\x07 + \u202ey",
            )
        ] + [["graph", "f = x", "--at", f"x={touch}"]]

    yield Case("expressions that are code", expression)


def _no_file(name: str, kind: str) -> Callable[[Place], list[Command]]:
    def make(place: Place) -> list[Command]:
        extends = "" if name == "config.yaml" else f"extends: {name}\n"
        commands = place.config(extends + runs.CONFIG)
        path = place.folder / name
        path.unlink(missing_ok=True)
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "endless device":
            path.symlink_to("/dev/zero")
        elif kind == "folder":
            path.mkdir()
        else:
            target = place.outside / name
            target.write_text("seed: 1\n")
            path.symlink_to(target)
        return commands

    return make


# ---------------------------------------------------------------- arrays and tables


def _npy(array: np.ndarray, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def _npz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _claims(shape: str, descr: str = "'<f8'") -> bytes:
    """An npy file of 16 numbers that says it holds another array."""
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (117 - len(head) % 64 + 64) + b"\n"
    return b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head + bytes(128)


def _objects(place: Place) -> bytes:
    from tests.hostile.case import Evil

    array = np.array([[Evil(place.outside / "canary")]] * 3, dtype=object)
    return _npy(array, pickled=True)


_X, _Y = _npy(np.arange(24.0).reshape(12, 2)), _npy(np.arange(12) % 3)


def _zip_bomb() -> bytes:
    """A quarter of a megabyte that becomes 256 MiB, and claims to be 10 GiB."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("y.npy", _Y)
        with archive.open("x.npy", "w", force_zip64=True) as member:
            member.write(_claims("(1342177264,)")[:-128])
            for _ in range(256):
                member.write(bytes(1 << 20))
    return file.getvalue()


ARRAYS: dict[str, Callable[[Place], bytes]] = {
    "a pickle": evil,
    "an npy file of objects": _objects,
    "objects in x": lambda p: _npz(**{"x.npy": _objects(p), "y.npy": _Y}),
    "objects in y": lambda p: _npz(**{"x.npy": _X, "y.npy": _objects(p)}),
    "a pickle as a member": lambda p: _npz(**{"x.npy": evil(p), "y.npy": _Y}),
    "a pickle beside": lambda p: _npz(**{"x.npy": _X, "y.npy": _Y, "z.pkl": evil(p)}),
    "2^40 rows": lambda p: _npz(**{"x.npy": _claims(f"({2**40}, 2)"), "y.npy": _Y}),
    "2^62 x 2^62 numbers": lambda p: _npz(
        **{"x.npy": _claims(f"({2**62}, {2**62})"), "y.npy": _Y}
    ),
    "rows below 0": lambda p: _npz(**{"x.npy": _claims("(-1, 2)"), "y.npy": _Y}),
    "code for a shape": lambda p: _npz(
        **{"x.npy": _claims("__import__('os').system('touch canary')"), "y.npy": _Y}
    ),
    "a deep dtype": lambda p: _npz(
        **{"x.npy": _claims("(16,)", "[" * 2000 + "]" * 2000), "y.npy": _Y}
    ),
    "a dtype of objects": lambda p: _npz(**{"x.npy": _claims("(16,)", "'|O'")}),
    "a zip bomb": lambda p: _zip_bomb(),
    "names that lead out": lambda p: _npz(
        **{"../../x.npy": _X, "/tmp/x.npy": _X, "x.npy": _X, "y.npy": _Y}
    ),
    "names with escapes": lambda p: _npz(**{"\x1b]0;owned\x07.npy": _X, "y.npy": _Y}),
    "100,000 members": lambda p: _npz(**{f"{i}.npy": b"" for i in range(20_000)}),
}


def arrays() -> Cases:
    for name, content in ARRAYS.items():
        yield Case(
            f"npz: {name}", lambda place, c=content: place.rows("rows.npz", c(place))
        )
    for kind in ("pipe", "endless device", "folder"):
        yield Case(f"table: {kind}", _no_file("table.csv", kind))


TABLES: dict[str, bytes] = {
    "a pickle": b"",
    "NULs": b"width,length,zone,kind\n1,2,\0,a\n",
    "escapes in cells": b"width,length,zone,kind\n1,2,\x1b]0;owned\x07,a\n1,x,n,b\n",
    "escapes in the head": b"\x1b[31mwidth,\x1b]0;owned\x07,zone,\xc2\x9b\n1,2,3,4\n",
    "a column of a megabyte": b"w" * 1_000_000 + b",length,zone,kind\n1,2,n,a\n",
    "a quote that never ends": b'width,length,zone,kind\n"' + b"x" * 1_000_000,
    "numbers of a million digits": b"width,length,zone,kind\n"
    + b"9" * 1_000_000
    + b",1,n,a\n",
    "formulas": b"width,length,zone,kind\n"
    + b"".join(
        b"%d,1,=cmd|' /C calc'!A0,a\n%d,2,@SUM(1),b\n" % (i, i) for i in range(9)
    ),
    "300,000 columns": b",".join(b"c%d" % i for i in range(300_000)) + b"\n",
}


def tables() -> Cases:
    for name, data in TABLES.items():

        def make(place: Place, data: bytes = data) -> list[Command]:
            return place.rows("rows.csv", data or evil(place))

        yield Case(f"table: {name}", make)


# ---------------------------------------------------------------- names that are shown

HTML = "\"'><script>alert(1)</script><img src=x onerror=alert(1)></style></title>"
ESCAPES = "a\x1b]0;owned\x07\x1b[31m\x9b2J\u202e\u2066b\r"


RAW: Any = {"encoding": "utf-8", "errors": "surrogatepass"}


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _trained(text: str, config: str = runs.CONFIG) -> Callable[[Place], list[Command]]:
    """A run whose columns, categories and classes are called so."""

    def make(place: Place) -> list[Command]:
        rows = runs.table(60).splitlines()[1:]
        lines = [f"{_quoted('width' + text)},length,zone,kind"]
        for row in rows:
            x, y, zone, kind = row.split(",")
            # A unit of 10^6 makes a finding that names the column.
            x = str(float(x) * 1e6)
            lines.append(f"{x},{y},{_quoted(zone + text)},{_quoted(kind + text)}")
        table = "\n".join(lines) + "\n"
        mended = config.replace("  preprocess: [standardize]\n", "")
        commands = place.config(mended.replace("epochs: 3", "epochs: 2"), table)
        out, rows_file = str(place.folder / "out"), str(place.folder / "table.csv")
        return [
            *commands,
            ["doctor", out],
            ["doctor", out, "--json"],
            ["evaluate", out],
            ["evaluate", out, "--json"],
            ["predict", out, "--data", rows_file],
        ]

    return make


def _rewritten(text: str) -> Callable[[Place], list[Command]]:
    """A run folder in whose files every text that is free says so."""

    def make(place: Place) -> list[Command]:
        run = place.run
        facts = json.loads((run / "run.json").read_text())
        for key in ("name", "config", "reason", "fingerprint"):
            facts[key] = f"{facts.get(key)}{text}"
        for key in ("environment", "versions"):
            facts[key] = {f"{k}{text}": f"{v}{text}" for k, v in facts[key].items()}
        facts["numerics"] = "0" * 64
        facts["summary"] |= {f"test/{text}": 1.0}
        facts["summary"]["last"] |= {f"validation/{text}": 0.5}
        facts["diagnosis"]["changed"] = [text]
        (run / "run.json").write_text(json.dumps(facts))
        finding = {
            "id": f"G1{text}",
            "name": f"x{text}",
            "severity": "error",
            "primary": True,
            "node": f"model/{text}",
            "layer": text,
            "units": [1],
            "config_line": 2,
            "epoch": 1,
            "step": 1,
            "measured": 1.0,
            "threshold": "inf",
            "healthy": [0.1, "nan"],
            "why": f"because {text}",
            "remedy": {
                "text": f"change {text}",
                "patch": [
                    {"do": "set", "path": f"seed{text}", "value": {text: [text]}}
                ],
            },
            "consequence_of": None,
        }
        follows = {**finding, "id": f"../../{text}", "primary": False}
        follows["consequence_of"] = f"G1{text}"
        (run / "findings.json").write_text(json.dumps([finding, follows]))
        # Where a name cannot be ours the whole file is refused, and nothing is shown.
        node = visible(text)
        row = {"step": 9, "epoch": 3, f"validation/{node}": 0.5, "train/loss": 1.0}
        with open(run / "metrics.jsonl", "a", **RAW) as file:
            file.write(json.dumps(row) + "\n")
        with open(run / "statistics.csv", "a", **RAW) as file:
            cells = [
                "9",
                "3",
                _quoted(f"model/{node}/pre_activation"),
                "pre_activation",
            ]
            file.write(",".join([*cells, *["0.5"] * 14]) + "\n")
        (run / "config.yaml").write_text(f"# one\n# {text!r} {text}\n", **RAW)
        for name in ("graph.svg", "cost.svg"):
            svg = f"<svg xmlns='http://www.w3.org/2000/svg'><title>{text}</title></svg>"
            (run / "plots" / name).write_text(svg, **RAW)
        runs.reseal(run)
        return [
            *place.verbs()[:-1],
            ["report", str(run), str(run), "--out", str(place.folder / "both.html")],
            ["doctor", str(run), "--apply", str(place.folder / "mended.yaml")],
            ["run", str(place.folder / "mended.yaml")],
            ["resume", str(run)],
        ]

    return make


def shown() -> Cases:
    for kind, text in (("HTML", HTML), ("escapes", ESCAPES)):
        proof = "alert(1)" if kind == "HTML" else "owned"
        yield Case(
            f"{kind} in columns and classes",
            _trained(text.replace("\r", "")),
            pictures=True,
            shows=proof,
        )
        yield Case(
            f"{kind} in every text of a run folder",
            _rewritten(text),
            pictures=True,
            shows=proof,
        )
    surrogates = "a\ud800\udfff\x00b"
    yield Case("lone surrogates and NUL in a run folder", _rewritten(surrogates), True)


def cases() -> Cases:
    for kind in (configs, arrays, tables, shown):
        yield from kind()
