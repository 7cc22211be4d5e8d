"""Hostile files in a run folder: in place of its own, or in them."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable

import numpy as np

from tests.hostile import runs
from tests.hostile.case import Case, Cases, Command, Place, evil

FILES = (
    *("run.json", "data.json", "findings.json", "config.yaml", "config.resolved.yaml"),
    *("metrics.jsonl", "statistics.csv", "events.jsonl", "report.html"),
    *("plots/graph.svg", "plots/cost.svg", f"checkpoints/{runs.BEFORE}"),
    "events.out.tfevents.0.nettrain",
)
"""What a run folder holds."""
TEMPORARY = (
    *(
        ".run.json.tmp",
        ".findings.json.tmp",
        ".report.html.tmp",
        "plots/.graph.svg.tmp",
    ),
    *(".config.resolved.yaml.tmp", f"checkpoints/.{runs.LAST}.tmp"),
)
"""What is written in it for a moment."""


def _in_place(name: str, content: Callable[[Place], bytes]) -> Case:
    def make(place: Place) -> list[Command]:
        path = place.run / name
        path.unlink(missing_ok=True)
        path.write_bytes(content(place))
        return place.verbs()

    return Case("", make)


def _named(name: str, case: Case) -> Case:
    return Case(name, case.make)


# ---------------------------------------------------------------- pickles


def _torch_zip(place: Place) -> bytes:
    """As torch.save writes it: a zip archive whose data.pkl is run by torch.load."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", evil(place))
        archive.writestr("archive/version", "3\n")
    return file.getvalue()


def _tensor_of_a_pickle(place: Place) -> bytes:
    data = (place.base / "run/checkpoints" / runs.BEFORE).read_bytes()
    header, body = runs.opened(data)
    content = evil(place)
    for name in ("diagnosis/evidence/survived", "state/pickle"):
        at = [len(body), len(body) + len(content)]
        header[name] = {"dtype": "U8", "shape": [len(content)], "data_offsets": at}
        body += content
    return runs.sealed(header, body)


def pickles() -> Cases:
    for name in FILES:
        yield _named(f"pickle as {name}", _in_place(name, evil))
    checkpoint = f"checkpoints/{runs.BEFORE}"
    yield _named("torch archive as checkpoint", _in_place(checkpoint, _torch_zip))
    yield _named(
        "pickle in a tensor of a checkpoint", _in_place(checkpoint, _tensor_of_a_pickle)
    )


# ---------------------------------------------------------------- checkpoints


def _spoilt(change: Callable[[dict, bytes], bytes]) -> Callable[[Place], bytes]:
    def content(place: Place) -> bytes:
        path = place.base / "run/checkpoints" / runs.BEFORE
        return change(*runs.opened(path.read_bytes()))

    return content


def _first(header: dict) -> tuple[str, dict]:
    name = "parameter/model/dense1/weight"
    return name, header[name]


def _with(**entry: object) -> Callable[[dict, bytes], bytes]:
    """A tensor whose entry says something else."""

    def change(header: dict, body: bytes) -> bytes:
        name, old = _first(header)
        header[name] = {**old, **entry}
        return runs.sealed(header, body)

    return change


def _overlapping(header: dict, body: bytes) -> bytes:
    _, entry = _first(header)
    header["parameter/twice"] = dict(entry)
    return runs.sealed(header, body)


def _twice(header: dict, body: bytes) -> bytes:
    name, entry = _first(header)
    meta = {**header["__metadata__"]["nettrain"], "sha256": "0" * 64}
    plain = json.dumps(meta, sort_keys=True, separators=(",", ":"))
    whole = json.dumps({**header, "__metadata__": {"nettrain": plain}})
    text = whole[:-1] + f", {json.dumps(name)}: {json.dumps(entry)}}}"
    return runs.sealed(header, body, text)


def _called(name: str) -> Callable[[dict, bytes], bytes]:
    def change(header: dict, body: bytes) -> bytes:
        old, entry = _first(header)
        del header[old]
        header[name] = entry
        return runs.sealed(header, body)

    return change


def _length(claimed: int) -> Callable[[dict, bytes], bytes]:
    def change(header: dict, body: bytes) -> bytes:
        return claimed.to_bytes(8, "little") + runs.sealed(header, body)[8:]

    return change


def _meta(**fields: object) -> Callable[[dict, bytes], bytes]:
    def change(header: dict, body: bytes) -> bytes:
        header["__metadata__"]["nettrain"].update(fields)
        return runs.sealed(header, body)

    return change


def _deep(header: dict, body: bytes) -> bytes:
    return runs.sealed(header, body, '{"__metadata__":' + "[" * 200_000)


CHECKPOINTS: dict[str, Callable[[dict, bytes], bytes]] = {
    "header of 2^63 bytes": _length(2**63),
    "header of 2^64 - 1 bytes": _length(2**64 - 1),
    "header as long as the file": _length(9000),
    "header of no bytes": _length(0),
    "deep header": _deep,
    "tensor of 2^60 numbers": _with(shape=[2**60], data_offsets=[0, 2**62]),
    "tensor of 2^80 numbers": _with(shape=[2**40, 2**40]),
    "tensor of 0 x 2^62 numbers": _with(shape=[0, 2**62], data_offsets=[0, 0]),
    "tensor of 70 dimensions": _with(shape=[1] * 70),
    "offsets beyond the file": _with(data_offsets=[0, 2**40]),
    "offsets below 0": _with(data_offsets=[-64, 0]),
    "overlapping tensors": _overlapping,
    "a tensor that is there twice": _twice,
    "unknown dtype": _with(dtype="OBJECT"),
    "name that leads out": _called("parameter/../../../outside/x"),
    "name with a NUL": _called("parameter/\0"),
    "name with escapes": _called("parameter/\x1b]0;owned\x07\x1b[31m"),
    "step of 2^62": _meta(step=2**62),
    "metadata with escapes": _meta(config_sha256="\x1b]0;owned\x07"),
}


def checkpoints() -> Cases:
    for name, change in CHECKPOINTS.items():
        path = f"checkpoints/{runs.BEFORE}"
        yield _named(f"checkpoint: {name}", _in_place(path, _spoilt(change)))


# ---------------------------------------------------------------- bombs in JSON and CSV

_NEST = b"[" * 500_000
_DIGITS = b"9" * 1_000_000


def _number_in(name: str, key: str) -> Callable[[Place], bytes]:
    def content(place: Place) -> bytes:
        text = (place.base / "run" / name).read_bytes()
        before, _, after = text.partition(b'"%s": ' % key.encode())
        if not after:
            before, _, after = text.partition(b'"%s":' % key.encode())
        return before + b'"%s":' % key.encode() + _DIGITS + after

    return content


def bombs() -> Cases:
    for name in ("run.json", "data.json", "findings.json", "metrics.jsonl"):
        yield _named(f"deep {name}", _in_place(name, lambda place: _NEST + b"\n"))
    for name, key in (("run.json", "step"), ("metrics.jsonl", "epoch")):
        case = _in_place(name, _number_in(name, key))
        yield _named(f"number of a million digits in {name}", case)

    def names_without_end(place: Place) -> bytes:
        row = b'{"step":1,"epoch":1,"%d":0}\n'
        return b"".join(row % number for number in range(50_000))

    yield _named("50,000 metrics", _in_place("metrics.jsonl", names_without_end))

    def wide(place: Place) -> bytes:
        text = (place.base / "run/statistics.csv").read_bytes()
        head, row, *_ = text.splitlines(keepends=True)
        long = row.replace(b"model/", b"x" * 100_000, 1)
        return head + long + row * 20_000

    yield _named("one wide cell of many", _in_place("statistics.csv", wide))


# ---------------------------------------------------------------- links, pipes, folders


def _links(name: str) -> Case:
    def make(place: Place) -> list[Command]:
        path = place.run / name
        target = place.outside / path.name
        if path.exists():
            shutil.copy(path, target)
        else:
            target.write_text("mine")
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        return place.verbs()

    return Case(f"link as {name}", make)


def _dangling(name: str) -> Case:
    def make(place: Place) -> list[Command]:
        path = place.run / name
        path.unlink(missing_ok=True)
        path.symlink_to(place.outside / "made")
        return place.verbs()

    return Case(f"link to nothing as {name}", make)


def _linked_folder(name: str) -> Case:
    def make(place: Place) -> list[Command]:
        target = place.outside / name
        shutil.move(place.run / name, target)
        if name == "checkpoints":
            shutil.copy(target / runs.BEFORE, target / "step-000000000001.safetensors")
            (target / f".{runs.LAST}.tmp").write_text("mine")
        else:
            (target / "learning-rate.svg").write_text("<svg/>")
        (place.run / name).symlink_to(target)
        return place.verbs()

    return Case(f"link as {name}/", make)


def _pipe(name: str) -> Case:
    def make(place: Place) -> list[Command]:
        (place.run / name).unlink(missing_ok=True)
        os.mkfifo(place.run / name)
        return place.verbs()

    return Case(f"pipe as {name}", make)


def _device(name: str) -> Case:
    def make(place: Place) -> list[Command]:
        (place.run / name).unlink(missing_ok=True)
        (place.run / name).symlink_to("/dev/zero")
        return place.verbs()

    return Case(f"endless device as {name}", make)


def _folder(name: str) -> Case:
    def make(place: Place) -> list[Command]:
        (place.run / name).unlink(missing_ok=True)
        (place.run / name).mkdir()
        return place.verbs()

    return Case(f"folder as {name}", make)


def no_files() -> Cases:
    """What stands where a file of a run belongs, and is none."""
    yield from map(_links, (*FILES, *TEMPORARY, ".lock"))
    yield from map(_dangling, (".lock", "metrics.jsonl", ".run.json.tmp"))
    yield from map(_linked_folder, ("checkpoints", "plots"))
    yield from map(_pipe, (*FILES, ".lock", ".run.json.tmp"))
    yield from map(_device, ("run.json", "metrics.jsonl", f"checkpoints/{runs.BEFORE}"))
    yield from map(_folder, ("run.json", "metrics.jsonl", f"checkpoints/{runs.BEFORE}"))


def names() -> Cases:
    """Files beside ours whose names are meant to do something."""

    def planted(place: Place) -> list[Command]:
        for name in (
            "-rf.svg",
            "a b.svg",
            "\x1b[31m.svg",
            "<script>.svg",
            "é\u202e.svg",
        ):
            (place.run / "plots" / name).write_text("<svg onload='alert(1)'/>")
        (place.run / "plots" / os.fsdecode(b"\xff.svg")).write_text("<svg/>")
        (place.run / "plots/evil.svg").write_bytes(b"\xff<script>alert(1)</script>")
        for name in ("step-1.safetensors", "step-999999999999.safetensors", "..x"):
            (place.run / "checkpoints" / name).write_bytes(pickle.dumps(1))
        return place.verbs()

    yield Case("strange names in plots and checkpoints", planted)

    def npy(place: Place) -> list[Command]:
        np.save(place.run / "plots/x.svg.npy", np.zeros(3))
        (place.run / "sitecustomize.py").write_text("raise SystemExit('imported')")
        (place.run / "numpy.py").write_text("raise SystemExit('imported')")
        os.chdir(place.run)
        return place.verbs()

    yield Case("modules beside the files, in the working folder", npy)


def cases() -> Cases:
    for kind in (pickles, checkpoints, bombs, no_files, names):
        yield from kind()
