"""The schema in an editor: YAML's language server, which VS Code, Neovim, Helix, Emacs
and Vim speak with, reads it through the modeline that the README gives.

`npm install yaml-language-server` in a folder, whose node_modules/.bin is then on PATH:

    PATH=FOLDER/node_modules/.bin:$PATH pytest -m long tests/long/test_editor.py
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SERVER = shutil.which("yaml-language-server")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(SERVER is None, reason="no yaml-language-server on PATH"),
]
KINDS = ["mlp", "cnn", "lstm", "transformer", "autoencoder", "regression"]
GOOD = """\
name: digits-mlp
data:
  source: digits
  split: {validation: 0.15, test: 0.15}
model:
  - dense: {units: 64, activation: relu}
  - dropout: 0.2
  - dense: 10
loss: cross_entropy
metrics: [accuracy]
optimizer: {adam: {learning_rate: 0.001}}
train:
  epochs: 40
  stop: {monitor: validation/loss, patience: 8}
  checkpoint: {every: 1 epoch}
diagnose: true
"""
SWEEP = """\
base: mlp.yaml
space:
  optimizer.adam.learning_rate: {log: [1e-4, 1e-1]}
  data.batch_size: [16, 32]
method: {random: {points: 12}}
"""


class Server:
    """A client of the language server, over its standard input and output."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [str(SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.numbers = itertools.count(1)
        formats = {"documentationFormat": ["markdown"], "snippetSupport": True}
        can: dict[str, Any] = {
            "textDocument": {"completion": {"completionItem": formats}},
            "workspace": {"configuration": True},
        }
        root = {"rootUri": folder.as_uri(), "processId": None, "capabilities": can}
        self.ask("initialize", root)
        self.send({"method": "initialized", "params": {}})

    def send(self, message: dict[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """The next message; what the server asks meanwhile is answered."""
        output = self.process.stdout
        assert output
        while True:
            head = b"".join(iter(output.readline, b"\r\n"))
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            message: dict[str, Any] = json.loads(output.read(length))
            if "id" not in message or "method" not in message:
                return message
            settings = {"validate": True, "completion": True, "hover": True}
            given = {"yaml": {**settings, "schemaStore": {"enable": False}}}
            asked = message["params"].get("items", []) if message["params"] else []
            result = [given.get(item.get("section")) for item in asked]
            self.send({"id": message["id"], "result": result})

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        number = next(self.numbers)
        self.send({"id": number, "method": method, "params": params})
        while (message := self.read()).get("id") != number:
            pass
        return message["result"]

    def open(self, path: Path, text: str = "") -> str:
        """Open a file under its name, with another text if one is given."""
        file = {"uri": path.as_uri(), "languageId": "yaml", "version": 1}
        file["text"] = text or path.read_text("utf-8")
        self.send({"method": "textDocument/didOpen", "params": {"textDocument": file}})
        return path.as_uri()

    def problems(self, path: Path, text: str = "") -> list[tuple[int, str, str]]:
        """Line, what is underlined, and message of all that is found in a file."""
        uri, lines = (
            self.open(path, text),
            (text or path.read_text("utf-8")).split("\n"),
        )
        message: dict[str, Any] = {}
        while message.get("params", {}).get("uri") != uri:
            message = self.read()
        found = []
        for problem in message["params"]["diagnostics"]:
            start, end = problem["range"]["start"], problem["range"]["end"]
            until = end["character"] if end["line"] == start["line"] else None
            marked = lines[start["line"]][start["character"] : until]
            found.append((start["line"], marked, problem["message"]))
        return found

    def at(self, method: str, head: str, text: str) -> Any:
        """What is said of the place that `|` stands for."""
        before, after = f"{head}\n{text}".split("|", 1)
        path = self.folder / f"{next(self.numbers)}.yaml"
        uri = self.open(path, before + after)
        place = {"line": before.count("\n"), "character": len(before.split("\n")[-1])}
        asked = {"textDocument": {"uri": uri}, "position": place}
        return self.ask(f"textDocument/{method}", asked)


def nettrain(*words: str, folder: Path) -> bytes:
    """What a verb prints that is called in a folder."""
    command = [sys.executable, "-m", "nettrain", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both schemas, made as the README says."""
    folder = tmp_path_factory.mktemp("editor")
    for name, kind in [("nettrain", ()), ("sweep", ("sweep",))]:
        printed = nettrain("list", *kind, "--schema", folder=folder)
        (folder / f"{name}.schema.json").write_bytes(printed)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    yield server
    server.process.kill()
    server.process.communicate()


RUN = "# yaml-language-server: $schema=nettrain.schema.json"
OF_SWEEP = "# yaml-language-server: $schema=sweep.schema.json"


# ---------------------------------------------------------------- problems


@pytest.mark.parametrize("name", ["plain", "Übung eins"])
def test_what_init_writes_has_no_problem(
    name: str, tmp_path: Path, server: Server
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    table = "größe,zone\n" + "".join(f"{n % 7}.5,{'ab'[n % 2]}\n" for n in range(99))
    (folder / "mein Tisch.csv").write_text(table, "utf-8")
    for words in (*([kind] for kind in KINDS), ["mein Tisch.csv", "--target", "zone"]):
        nettrain("init", *words, "--schema", folder=folder)
    paths = sorted(folder.glob("*.yaml"))
    assert len(paths) == len(KINDS) + 1
    for path in paths:
        text = path.read_text("utf-8")
        assert server.problems(path) == []
        # It is the schema that finds none.
        wrong = text.replace("\nloss:", "\nlos:")
        found = server.problems(path.with_stem(f"{path.stem}-wrong"), wrong)
        assert "los" in [marked for _, marked, _ in found]


def test_our_configs_have_no_problem(folder: Path, server: Server) -> None:
    shutil.copytree(ROOT / "configs", folder / "configs")
    for path in sorted((folder / "configs").rglob("*.yaml")):
        up = "../" * len(path.parent.relative_to(folder).parts)
        kind = "sweep" if path.parent.name == "sweeps" else "nettrain"
        head = f"# yaml-language-server: $schema={up}{kind}.schema.json"
        assert server.problems(path, f"{head}\n{path.read_text('utf-8')}") == [], path


@pytest.mark.parametrize(
    "text",
    [
        "extends: a.yaml\ndata: {batch_size: 16}",
        "extends: a.yaml\noptimizer: {adam: {learning_rate: {cosine: {final: 0}}}}",
        "extends: a.yaml\npatch: [{do: set, path: model.dense1.units, value: 8}]",
        "extends: a.yaml\nmodel: [dense: 8, relu, dense: auto]",
    ],
)
def test_a_part_has_no_problem(text: str, folder: Path, server: Server) -> None:
    path = folder / f"part{next(server.numbers)}.yaml"
    assert server.problems(path, f"{RUN}\n{text}\n") == []


@pytest.mark.parametrize(
    ("right", "wrong", "marked", "said"),
    [
        ("diagnose:", "diagnos:", "diagnos", "Property diagnos is not allowed."),
        ("patience: 8", "patiense: 8", "patiense", "Property patiense is not allowed."),
        ("activation:", "aktivation:", "aktivation", "Property aktivation is not al"),
        ("epochs: 40", "epochs: 0", "0", "Value is below the minimum of 1."),
        ("epochs: 40", "epochs: x", "x", "expected an integer at least 1 or nothing"),
        ("dropout: 0.2", "dropuot: 0.2", "dropuot", "unknown layer; `nettrain list la"),
        ("dropout: 0.2", "relue", "relue", "expected a layer; `nettrain list layers` "),
        ("dropout: 0.2", "dropout: 2", "2", "dropout: expected a number at least 0 a"),
        ("dropout: 0.2", "dense", "dense", "expected a layer; `nettrain list layers` "),
        ("dropout: 0.2", "dense: {}", "dense", 'Missing property "units".'),
        ("dropout: 0.2", "repeat: {times: 2, block: [dnse: 3]}", "dnse", "unknown la"),
        ("activation: relu", "activation: reul", "reul", "expected an activation; kno"),
        ("cross_entropy", "crossentropy", "crossentropy", "expected a loss; known: b"),
        ("[accuracy]", "[acuracy]", "acuracy", "expected a metric; known: accuracy, "),
        ("{adam:", "{adm:", "adm", "unknown optimizer; known: adadelta, adagrad, adam"),
        ("0.001", "-1", "-1", "expected a number at least 0 or a schedule; known: con"),
        ("0.001", "{cosin: 1}", "cosin", "unknown schedule; known: constant, cosine"),
        ("0.001", "{cosine: {}}", "cosine", 'Missing property "peak".'),
        ("0.15, test", "15%, test", "15%", "expected a number at least 0 and at most "),
        ("1 epoch", "1 day", "1 day", 'expected a length such as "10 steps", "1 epoch'),
        ("validation/loss", "val_loss", "val_loss", "expected a metric and its part, "),
        ("diagnose: true", "diagnose: {Q9: {}}", "Q9", "Property Q9 is not allowed."),
        ("  source: digits\n", "", "data", 'Missing property "source".'),
        ("digits-mlp", "my run", "my run", "expected a name of letters, digits, dots"),
    ],
)
def test_a_mistake_is_told_at_its_place(
    right: str, wrong: str, marked: str, said: str, folder: Path, server: Server
) -> None:
    text = f"{RUN}\n{GOOD.replace(right, wrong)}"
    path = folder / f"wrong{next(server.numbers)}.yaml"
    ((line, found, message),) = server.problems(path, text)
    assert (found, message[: len(said)]) == (marked, said)
    changed = f"{RUN}\n{GOOD}".partition(right)[0].count("\n")
    assert line == (changed if wrong else changed - 1)


@pytest.mark.parametrize(
    ("right", "wrong", "marked", "said"),
    [
        ("{log:", "{lg:", "lg", "unknown range; known: int, int_log, linear, log"),
        ("[16, 32]", "16", "16", "expected a range or a list of anything; known: int"),
        ("points", "point", "point", "Property point is not allowed."),
        ("base: mlp.yaml\n", "", "s", 'Missing property "base".'),
    ],
)
def test_a_mistake_of_a_sweep(
    right: str, wrong: str, marked: str, said: str, folder: Path, server: Server
) -> None:
    text = f"{OF_SWEEP}\n{SWEEP.replace(right, wrong)}"
    ((_, found, message),) = server.problems(folder / f"s{wrong[:3]}.yaml", text)
    assert (found, message[: len(said)]) == (marked, said)


# ---------------------------------------------------------------- completion, hover


@pytest.mark.parametrize(
    ("head", "text", "label", "inserted", "told"),
    [
        (RUN, "ep|", "optimizer", "optimizer: ", "from gradients to new weights."),
        (RUN, "train:\n  ep|", "epochs", "epochs: ", "planned passes over the train"),
        (RUN, "model:\n  - |", "relu", "relu", "f(z) = max(z, 0)"),
        (RUN, "model:\n  - de|", "dense: …", "dense: {units: $1}", "y = f(x W + b)"),
        (RUN, "model:\n  - bat|", "batch_norm", "batch_norm", "y = γ (x - μ)"),
        (RUN, "model:\n  - dense: {units: 3, a|}", "activation", None, "the nonlinea"),
        (RUN, "model:\n  - dense: {units: 3, activation: |}", "relu", "relu", "f(z)"),
        (RUN, "metrics:\n  - a|", "accuracy", "accuracy", "The share of rows whose"),
        (RUN, "optimizer: |", "adam", "adam", "m ← β1 m"),
        (RUN, "optimizer:\n  ad|", "adam: …", "adam: {learning_rate: ${1:0.001}}", ""),
        (RUN, "optimizer:\n  adam:\n    |", "beta1", "beta1: ${1:0.9}", "share of m"),
        (RUN, "optimizer: {adam: {learning_rate: |}}", "{cosine: …}", None, "final +"),
        (RUN, "loss: cr|", "cross_entropy", "cross_entropy", "-Σ_k t_k ln"),
        (RUN, "dtype: |", "float64", "float64", "of weights and inputs."),
        (RUN, "train: {stop: {monitor: |}}", "validation/accuracy", None, ""),
        (OF_SWEEP, "space:\n  o|", "optimizer.adam.learning_rate", None, ""),
        (OF_SWEEP, "space:\n  a.b: |", "{log: …}", "{log: [$1]}", "Numbers a·(b/a)^s"),
    ],
)
def test_completion(
    head: str, text: str, label: str, inserted: str | None, told: str, server: Server
) -> None:
    items = server.at("completion", head, text)["items"]
    labels = [item["label"] for item in items]
    assert len(set(labels)) == len(labels)
    item = items[labels.index(label)]
    assert inserted in (None, item["textEdit"]["newText"])
    words = item.get("documentation") or ""
    assert told in (words["value"] if isinstance(words, dict) else words)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "se|ed: 0",
            "everything random comes from it.\n\nAn integer at least 0 and at",
        ),
        ("model:\n  - de|nse: {units: 3}", "#### dense\n\ny = f(x W"),
        ("model:\n  - dense: {un|its: 3}", "#### dense\n\nhow many outputs; `auto`: a"),
        ("model:\n  - re|lu", "Allowed Values:\n\n* `relu`: f(z) = max(z, 0)"),
        ("model:\n  - den|se: 3", "y = f(x W"),
        (
            "optimizer: {adam: {be|ta1: 0.9}}",
            "#### adam\n\nshare of m that stays.\n\nA ",
        ),
        (
            "optimizer: {adam: {learning_rate: {cos|ine: {peak: 0.1}}}}",
            "#### cosine\n\nfinal + (peak - final)",
        ),
        ("data: {source: dig|its}", "a bundled set, a generator, or a file: `table.cs"),
        (
            "lo|ss: cross_entropy",
            "what training lowers; it decides the task.\n\nA loss",
        ),
    ],
)
def test_hover(text: str, said: str, server: Server) -> None:
    found = server.at("hover", RUN, text)["contents"]["value"]
    assert found.replace("\\", "").startswith(said)
    assert "||" not in found
