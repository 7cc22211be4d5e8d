"""A checkpoint is one valid safetensors file that proves itself whole.

Its metadata holds one key, `nettrain`, with canonical JSON: the order of several keys
in a safetensors header is random. The JSON's `sha256` is the hash of the whole file,
taken with its own 64 digits set to zero, so one changed, missing or added byte shows.
Tensors are a flat mapping from a path to an array; there are no pickles.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from nettrain.errors import Error
from nettrain.record.append import Prefix

FORMAT = 1
Tensors = dict[str, np.ndarray]

_ZEROS = b"0" * 64
_MARK = rb"\"sha256\":\""
"""How the hash begins in the header, where the JSON stands inside a JSON string. No
other key ends like this: `config_sha256` has an underscore for the first quote."""
_SEAL = re.compile(re.escape(_MARK) + rb"([0-9a-f]{64})")
_HEX = re.compile(r"[0-9a-f]{64}")
_DTYPES = {
    "bool": "BOOL",
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
}
"""NumPy's names of dtypes -> those of the format."""


@dataclass(frozen=True)
class CheckpointMeta:
    """What a checkpoint says of itself.

    Attributes:
        step: how many updates were made.
        epoch: the pass over the training data that the last of them belongs to, from 1.
        seed: of the run.
        config_sha256: of the resolved config.
        data_sha256: of the raw data.
        metrics: what `metrics.jsonl` held after this step.
        statistics: what `statistics.csv` held after this step.
    """

    step: int
    epoch: int
    seed: int
    config_sha256: str
    data_sha256: str
    metrics: Prefix
    statistics: Prefix

    def to_json(self) -> str:
        """Canonical JSON, with zeros where the file's own hash goes."""
        plain: dict[str, Any] = {"format": FORMAT, "sha256": _ZEROS.decode()}
        for name in ("step", "epoch", "seed", "config_sha256", "data_sha256"):
            plain[name] = getattr(self, name)
        for name in ("metrics", "statistics"):
            for part, value in dataclasses.asdict(getattr(self, name)).items():
                plain[f"{name}_{part}"] = value
        return json.dumps(plain, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Checkpoint:
    """The state after `meta.step` updates."""

    tensors: Tensors
    meta: CheckpointMeta


def encode(tensors: Mapping[str, np.ndarray], meta: CheckpointMeta) -> bytearray:
    """The file's bytes; the same arrays and metadata always give the same ones.

    They are filled in where they stay. The library's own `save` holds the file twice,
    takes the memory of an array as it lies, whatever its strides say, and where memory
    is short it ends the process past every handler.
    """
    order = sorted(tensors, key=lambda path: (-tensors[path].itemsize, path))
    header: dict[str, Any] = {"__metadata__": {"nettrain": meta.to_json()}}
    size = 0
    for path in order:  # the widest first, so that each is aligned
        tensor = tensors[path]
        offsets = [size, size + tensor.nbytes]
        shape, dtype = list(tensor.shape), _DTYPES[tensor.dtype.name]
        header[path] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        size += tensor.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    data = bytearray(start + size)
    data[:start] = len(text).to_bytes(8, "little") + text
    for path in order:
        tensor = tensors[path]
        at = start + header[path]["data_offsets"][0]
        target = np.frombuffer(data, tensor.dtype, tensor.size, at)
        np.copyto(target.reshape(tensor.shape), tensor)
    seal = data.index(_MARK + _ZEROS) + len(_MARK)
    data[seal : seal + len(_ZEROS)] = hashlib.sha256(data).hexdigest().encode()
    return data


def decode(data: bytes | bytearray) -> Checkpoint:
    """The checkpoint, every byte of it verified.

    Raises:
        Error: `checkpoint-damaged` if one byte is not as it was written, and
            `checkpoint-format` if it was written whole, but by another version.
    """
    _verify(data)
    try:
        tensors = safetensors.load(bytes(data))
        metadata = json.loads(data[8 : 8 + _header_length(data)])["__metadata__"]
        plain = json.loads(metadata["nettrain"])
        known = plain["format"]
    except (
        SafetensorError,
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from error
    if known != FORMAT:
        message = f"the checkpoint has format {known}, this version reads {FORMAT}"
        raise Error("checkpoint-format", message, fix="use the version that wrote it")
    return Checkpoint(tensors, _meta(plain))


def _header_length(data: bytes | bytearray) -> int:
    return int.from_bytes(data[:8], "little")


def _verify(data: bytes | bytearray) -> None:
    """Compare the hash in the header with that of the file around it."""
    seal = _SEAL.search(data, 8, 8 + min(_header_length(data), len(data)))
    if seal is None:
        raise _damaged("its hash is missing")
    whole = memoryview(data)
    digest = hashlib.sha256(whole[: seal.start(1)])
    digest.update(_ZEROS)
    digest.update(whole[seal.end(1) :])
    if digest.hexdigest().encode() != seal[1]:
        raise _damaged("its hash does not match")


def _meta(plain: dict[str, Any]) -> CheckpointMeta:
    """The metadata, every field of its type: a hash proves bytes, not sense."""

    def count(name: str) -> int:
        value = plain.get(name)
        if type(value) is not int or (value < 0 and name != "seed"):
            raise _damaged(f"{name} is {value!r}")
        return value

    def digest(name: str) -> str:
        value = plain.get(name)
        if not isinstance(value, str) or not _HEX.fullmatch(value):
            raise _damaged(f"{name} is {value!r}")
        return value

    return CheckpointMeta(
        step=count("step"),
        epoch=count("epoch"),
        seed=count("seed"),
        config_sha256=digest("config_sha256"),
        data_sha256=digest("data_sha256"),
        metrics=Prefix(count("metrics_length"), digest("metrics_sha256")),
        statistics=Prefix(count("statistics_length"), digest("statistics_sha256")),
    )


def _damaged(reason: str) -> Error:
    return Error("checkpoint-damaged", f"the checkpoint is damaged: {reason}")
