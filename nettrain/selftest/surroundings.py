"""One small run in several surroundings, at the same time: the same bytes in all.

Threads that the environment asks for, the seed of Python's hashes, locale, time zone,
working folder, processors that may be used: nothing that is learned may depend on them,
nor on how busy the machine is, which the runs make it for each other.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nettrain
from nettrain.execute.fingerprint import fingerprint
from nettrain.experiment.threads import limited
from nettrain.record import json_text
from nettrain.record.folder import CHECKPOINTS, METRICS, RUN, STATISTICS
from nettrain.selftest.score import Score, Tally

Do = Callable[[Sequence[str]], int]

CONFIG: dict[str, Any] = {
    "name": "surroundings",
    "data": {
        "source": {"classification": {"samples": 700, "features": 700}},
        "split": {"validation": 0.1, "test": 0.1},
        "preprocess": ["standardize"],
        "batch_size": 128,
    },
    "model": [
        {"dense": {"units": 64, "activation": "tanh"}},
        "batch_norm",
        {"dropout": 0.2},
        {"dense": "auto"},
    ],
    "loss": "cross_entropy",
    "metrics": ["accuracy"],
    "optimizer": {"adam": {"learning_rate": 0.01}},
    "train": {"epochs": 2},
}
"""Of a shape whose products OpenBLAS shares out among threads with other last bits."""

_OUTPUT = "output.txt"
_FILES = (METRICS, STATISTICS, "findings.json", "data.json")


@dataclass(frozen=True)
class Surroundings:
    """Where a run happens.

    Attributes:
        name: what is peculiar.
        environment: variables that are set.
        one_core: whether it may use one processor only.
    """

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    one_core: bool = False


_THREADS = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "4"
)
_HASHES = {"PYTHONHASHSEED": "4711"}
# A locale that knows no letter but ASCII's is there everywhere.
_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
_ZONE = {"TZ": "Asia/Kathmandu"}

_AT_ONCE = Surroundings(
    "all of it at once", {**_THREADS, **_HASHES, **_LOCALE, **_ZONE}, one_core=True
)
_EACH = (
    Surroundings("four threads in the environment", _THREADS),
    Surroundings("another PYTHONHASHSEED", _HASHES),
    Surroundings("another locale and time zone", {**_LOCALE, **_ZONE}),
    Surroundings("one processor", one_core=True),
)


def surroundings(do: Do, folder: Path, *, each: bool = True) -> Score:
    """Compare runs with one made here; and the fingerprint, taken anew in each.

    Args:
        do: does a command line: `nettrain.cli.main.main`.
        folder: an empty one.
        each: whether to try every surroundings by itself too, not only all at once.
    """
    tally = Tally("the same bytes in any surroundings")
    kinds = [*(_EACH if each else ()), _AT_ONCE]
    config = Path(os.path.abspath(folder)) / "config.yaml"
    config.write_bytes(json_text.document(CONFIG))  # JSON is YAML
    places = [folder / str(number) for number in range(len(kinds))]
    started = [_started(k, config, p) for k, p in zip(kinds, places, strict=True)]
    here = folder / "here"
    if code := do(["run", str(config), "--out", str(here)]):
        tally.add(f"a run ended with exit code {code}")
        return tally.score()
    with limited(1):
        same = fingerprint() == _numerics(here)
    tally.add("" if same else "the fingerprint changes from time to time")
    for kind, process, place in zip(kinds, started, places, strict=True):
        why = _failure(process, place)
        tally.add(why and f"{kind.name}: {why}")
        if not why:
            _compare(tally, kind.name, here, place / "run")
    return tally.score()


def _started(kind: Surroundings, config: Path, place: Path) -> subprocess.Popen[bytes]:
    """The run, begun in a working folder of its own."""
    place.mkdir()
    code = str(Path(nettrain.__file__).parents[1])
    known = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([code, known] if known else [code])
    alone = None
    if kind.one_core and hasattr(os, "sched_setaffinity"):
        last = max(os.sched_getaffinity(0))
        alone = functools.partial(os.sched_setaffinity, 0, {last})
    words = ["run", str(config), "--out", "run"]
    with open(place / _OUTPUT, "wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "nettrain", *words],
            cwd=place,
            env={**os.environ, **kind.environment, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=alone,
        )


def _failure(process: subprocess.Popen[bytes], place: Path) -> str:
    """Wait for a run; why it failed, or nothing."""
    if process.wait() == 0:
        return ""
    said = (place / _OUTPUT).read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line for line in said if line.startswith("error")]
    why = [*errors, *said[-1:], "it said nothing"][0]
    return f"exit code {process.returncode}: {why}"


def _compare(tally: Tally, name: str, here: Path, there: Path) -> None:
    """Two runs: what was learned, and what they say of how numbers are rounded."""
    saved = sorted(os.listdir(here / CHECKPOINTS))
    for file in (*_FILES, *(f"{CHECKPOINTS}/{name}" for name in saved)):
        same = (there / file).read_bytes() == (here / file).read_bytes()
        tally.add("" if same else f"{name}: {file} differs")
    same = _numerics(there) == _numerics(here)
    tally.add("" if same else f"{name}: the fingerprint differs")


def _numerics(run: Path) -> str:
    status = json.loads((run / RUN).read_text(encoding="utf-8"))
    return str(status["numerics"])
