"""A small finished run, files of it made anew, and every verb that opens such a run."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nettrain.cli.main import main
from nettrain.record.append import Prefix

CONFIG = """\
name: small
data:
  source: table.csv
  target: kind
  split: {validation: 0.2, test: 0.2}
  preprocess: [standardize]
  batch_size: 8
model:
  - dense: {units: 4, activation: relu}
  - batch_norm
  - dense: 3
loss: cross_entropy
metrics: [accuracy, confusion]
optimizer: {adam: {learning_rate: 0.01}}
train:
  epochs: 3
  stop: {patience: 5, restore_best: true}
  checkpoint: {every: 2 steps, keep: 3}
  tensorboard: true
diagnose: {every: 1}
"""
LAST, BEFORE = "step-000000000009.safetensors", "step-000000000008.safetensors"


def table(rows: int = 36) -> str:
    """Two columns of numbers, one of words, and three classes."""
    lines = ["width,length,zone,kind"]
    for i in range(rows):
        x, y = (i * 7) % 11 / 3, (i * 5) % 13 / 4
        zone, kind = ("north", "south")[i % 2], "abc"[(i + i // 5) % 3]
        lines.append(f"{x:.3f},{y:.3f},{zone},{kind}")
    return "\n".join(lines) + "\n"


def make(folder: Path, config: str = CONFIG, data: str | None = None) -> Path:
    """Train the run `folder/run` from files beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    (folder / "table.csv").write_text(data or table(), encoding="utf-8")
    words = ["run", str(folder / "config.yaml"), "--out", str(folder / "run")]
    code, said = call(words)
    assert code == 0, said
    return folder / "run"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def call(words: list[str]) -> tuple[int, str]:
    """The exit code of a command line, and all that it writes.

    `predict` writes to a terminal: to a file or a pipe it writes names as they are.
    """
    said = Terminal() if words[0] == "predict" else io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(words)
    return code, said.getvalue()


def verbs(run: Path, data: Path | None = None) -> Iterator[list[str]]:
    """Every command that opens a run; `resume` is the last, for it changes it."""
    rows = str(data or run.parent / "table.csv")
    yield ["evaluate", str(run)]
    yield ["evaluate", str(run), "--data", rows, "--json"]
    yield ["predict", str(run), "--data", rows]
    yield ["graph", str(run)]
    yield ["doctor", str(run)]
    yield ["doctor", str(run), "--json"]
    yield ["export", str(run)]
    yield ["export", str(run), "statistics"]
    yield ["report", str(run)]
    yield ["report", str(run), str(run), "--out", str(run.parent / "both.html")]
    yield ["compare", str(run)]
    yield ["runs", str(run), "--sort", "model.dense1.units"]
    yield ["replay", str(run)]
    yield ["resume", str(run)]


def last(run: Path) -> Path:
    return max((run / "checkpoints").glob("step-*.safetensors"))


# ---------------------------------------------------------------- checkpoints


def opened(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and body of a safetensors file; `nettrain` in it as a mapping."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"]["nettrain"] = json.loads(header["__metadata__"]["nettrain"])
    return header, data[end:]


def sealed(header: Mapping[str, Any], body: bytes, text: str | None = None) -> bytes:
    """Such a file, with the hash that makes it a whole one.

    Args:
        text: of the header, where no mapping can have it.
    """
    if text is None:
        meta = {**header["__metadata__"]["nettrain"], "sha256": "0" * 64}
        plain = json.dumps(meta, sort_keys=True, separators=(",", ":"))
        text = json.dumps({**header, "__metadata__": {"nettrain": plain}})
    raw = text.encode("utf-8", "surrogatepass")
    data = len(raw).to_bytes(8, "little") + raw + body
    mark = b'\\"sha256\\":\\"'
    digest = hashlib.sha256(data).hexdigest().encode()
    return data.replace(mark + b"0" * 64, mark + digest, 1)


def reseal(run: Path) -> None:
    """Have every checkpoint vouch for the rows as they are now."""
    for path in (run / "checkpoints").glob("step-*.safetensors"):
        header, body = opened(path.read_bytes())
        meta = header["__metadata__"]["nettrain"]
        for name in ("metrics.jsonl", "statistics.csv"):
            prefix = Prefix.of((run / name).read_bytes())
            kind = name.partition(".")[0]
            meta[f"{kind}_length"] = prefix.length
            meta[f"{kind}_sha256"] = prefix.sha256
        path.write_bytes(sealed(header, body))


@contextlib.contextmanager
def copied(run: Path, to: Path) -> Iterator[Path]:
    """A copy of a run, to be spoilt."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(run, to, symlinks=True)
    yield to
    shutil.rmtree(to, ignore_errors=True)
