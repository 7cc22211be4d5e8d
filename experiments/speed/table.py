"""Time the reading of tables beside pandas and NumPy, and check that all agree.

    python experiments/speed/table.py                   every kind of table, 50 MB each
    python experiments/speed/table.py normal short --megabytes 20 --rounds 9

All on one thread of one core. The readers take turns, and the least of their processor
times counts, which other work on the machine disturbs least; the memory is the peak of
a process that reads the file once, less what it held before. A reader whose values are
not nettrain's to the last bit is marked. pandas is timed where it is installed.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import importlib.metadata
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from nettrain.data import FileSource
from nettrain.experiment import available

Column = np.ndarray
"""float64 or object (n,)"""
Reader = Callable[[str], list[Column]]
NAMES = ("north", "south", "east", "west", "Rotterdam", "Kraków")
ROWS = 20_000
"""Rows that are made; they repeat until the file is as long as it should be."""


def ours(path: str) -> list[Column]:
    table = FileSource(path).load(0).tables["train"]
    numeric = [table.kind(name) == "numeric" for name in table.names]
    return [
        table.numbers(name).values if number else table.texts(name)
        for name, number in zip(table.names, numeric, strict=True)
    ]


def pandas(path: str) -> list[Column]:
    import pandas

    frame = pandas.read_csv(path)
    return [frame[name].to_numpy() for name in frame]


def pandas_exactly(path: str) -> list[Column]:
    """Before 3.1 pandas reads the last digit of a float right only if it is told to."""
    import pandas

    frame = pandas.read_csv(path, float_precision="round_trip")
    return [frame[name].to_numpy() for name in frame]


def loadtxt(path: str) -> list[Column]:
    return list(np.loadtxt(path, delimiter=",", skiprows=1, unpack=True))


READERS: dict[str, Reader] = {
    "nettrain": ours,
    "pandas": pandas,
    "pandas, round_trip": pandas_exactly,
    "NumPy": loadtxt,
}
TEXT = ("mixed", "quoted", "missing")
"""Kinds that numpy.loadtxt does not read."""


# ---------------------------------------------------------------- tables


def normal(random: np.random.Generator) -> Iterator[list[str]]:
    """Normal numbers with all of their 16 or 17 digits."""
    return (list(map(repr, row)) for row in random.normal(size=(ROWS, 10)).tolist())


def savetxt(random: np.random.Generator) -> Iterator[list[str]]:
    """The same as numpy.savetxt writes them: 19 digits and an exponent."""
    return ([f"{x:.18e}" for x in row] for row in random.normal(size=(ROWS, 10)))


def short(random: np.random.Generator) -> Iterator[list[str]]:
    """Decimals such as 5.1 and 3.5."""
    rows = np.round(random.uniform(0, 10, (ROWS, 10)), 1).tolist()
    return (list(map(repr, row)) for row in rows)


def integers(random: np.random.Generator) -> Iterator[list[str]]:
    """Integers from -1000 to 999."""
    rows = random.integers(-1000, 1000, (ROWS, 10)).tolist()
    return (list(map(str, row)) for row in rows)


def pixels(random: np.random.Generator) -> Iterator[list[str]]:
    """Bytes, four of five of them 0."""
    grey = random.integers(0, 256, (ROWS, 100))
    rows = np.where(random.random(grey.shape) < 0.8, 0, grey).tolist()
    return (list(map(str, row)) for row in rows)


def missing(random: np.random.Generator) -> Iterator[list[str]]:
    """Decimals of three places; every tenth cell is empty, every twentieth NA."""
    rows, share = np.round(random.normal(size=(ROWS, 10)), 3), random.random((ROWS, 10))
    for row, shares in zip(rows.tolist(), share.tolist(), strict=True):
        yield [
            "" if s < 0.1 else "NA" if s < 0.15 else repr(x)
            for x, s in zip(row, shares, strict=True)
        ]


def mixed(random: np.random.Generator, quote: str = "") -> Iterator[list[str]]:
    """Two columns of names, one of 20,000 texts, one of integers, six of decimals."""
    formats = ("{:.4f}", "{:.2f}", "{:.6f}", "{:.3f}", "{:.3e}", "{:.1f}")
    numbers = random.normal(size=(ROWS, 6)).tolist()
    names = random.integers(0, len(NAMES), (ROWS, 2)).tolist()
    for i, (row, (x, y)) in enumerate(zip(numbers, names, strict=True)):
        texts = [NAMES[x], NAMES[y] + (", NL" if quote else ""), f"id{i * 7919 % ROWS}"]
        decimals = [form.format(x) for form, x in zip(formats, row, strict=True)]
        first, *others = [quote + text + quote for text in texts]
        yield [first, *decimals, str(i), *others]


def quoted(random: np.random.Generator) -> Iterator[list[str]]:
    """The same with every text in quotes, and commas in one column of them."""
    return mixed(random, '"')


KINDS = {
    kind.__name__: kind
    for kind in (normal, savetxt, short, integers, pixels, missing, mixed, quoted)
}


def write(kind: str, path: Path, size: int) -> None:
    """A table of about `size` bytes; `crlf` is `short` with the other line ends."""
    make = short if kind == "crlf" else KINDS[kind]
    end = "\r\n" if kind == "crlf" else "\n"
    rows = list(make(np.random.default_rng(0)))
    header = ",".join(f"c{i}" for i in range(len(rows[0]))) + end
    body = "".join(",".join(row) + end for row in rows).encode()
    with path.open("wb") as file:
        file.write(header.encode())
        for _ in range(size // len(body)):
            file.write(body)
        file.write(body[: body.index(b"\n", size % len(body)) + 1])


# ---------------------------------------------------------------- measuring


def same(found: list[Column], expected: list[Column]) -> bool:
    """Whether all numbers are the same to the last bit, and all texts."""
    return len(found) == len(expected) and all(
        a.astype(np.float64).tobytes() == b.astype(np.float64).tobytes()
        if a.dtype == np.float64
        else a.tolist() == b.tolist()
        for a, b in zip(found, expected, strict=True)
    )


def measure(path: Path, readers: list[str], rounds: int) -> dict[str, object]:
    """Least seconds and mebibytes of each reader, and whether its values are ours."""
    columns = {name: READERS[name](str(path)) for name in readers}
    agree = {name: same(columns["nettrain"], c) for name, c in columns.items()}
    columns.clear()
    times: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(rounds):
        for name in readers:
            began = time.process_time()
            READERS[name](str(path))
            times[name].append(time.process_time() - began)
    return {
        name: {
            "seconds": min(times[name]),
            "MiB": peak(name, path),
            "same": agree[name],
        }
        for name in readers
    }


def peak(reader: str, path: Path) -> float:
    """MiB that a fresh process needs to read the file, beyond what it held before."""
    command = [sys.executable, __file__, "--peak", reader, str(path)]
    return float(subprocess.run(command, check=True, capture_output=True).stdout)


def print_peak(reader: str, path: str, small: str) -> None:
    READERS[reader](small)  # imports what it needs
    before = available.peak()
    columns = READERS[reader](path)
    print((available.peak() - before) / 2**20)
    del columns


def found() -> tuple[list[str], dict[str, str]]:
    """The readers that are installed, and versions."""
    about = {"machine": platform.machine(), "python": platform.python_version()}
    about["numpy"] = np.__version__
    if not importlib.util.find_spec("pandas"):
        return ["nettrain", "NumPy"], about
    about["pandas"] = importlib.metadata.version("pandas")
    if tuple(map(int, about["pandas"].split(".")[:2])) >= (3, 1):
        return ["nettrain", "pandas", "NumPy"], about
    return list(READERS), about


def report(kind: str, results: dict) -> None:
    allowed = [
        r["seconds"] for n, r in results.items() if n != "nettrain" and r["same"]
    ]
    ratio = results["nettrain"]["seconds"] / min(allowed, default=float("nan"))
    print(f"\n{kind}: {ratio:.2f} times the fastest other reader with the same values")
    for name, r in results.items():
        note = "" if r["same"] else "  other values"
        print(f"  {name:18} {r['seconds']:7.3f} s {r['MiB']:7.0f} MiB{note}")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = [*KINDS, "crlf"]
    parser.add_argument("kinds", nargs="*", default=kinds, metavar="KIND",
                        help=", ".join(kinds))  # fmt: skip
    parser.add_argument("--megabytes", type=int, default=50, help="size of each file")
    parser.add_argument("--rounds", type=int, default=7, help="times of each reader")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        if given.peak:
            small = Path(folder) / "small.csv"
            small.write_text("a,b\n1,2\n")
            print_peak(*given.peak, str(small))
            return
        results, installed, about = {}, *found()
        for kind in given.kinds:
            path = Path(folder) / "table.csv"
            write(kind, path, given.megabytes * 10**6)
            readers = [n for n in installed if n != "NumPy" or kind not in TEXT]
            results[kind] = measure(path, readers, given.rounds)
            if not given.json:
                report(kind, results[kind])
        if given.json:
            print(json.dumps(about | results))


if __name__ == "__main__":
    main()
