from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from nettrain.errors import Error
from nettrain.record.append import Prefix
from nettrain.record.checkpoint import CheckpointMeta, decode, encode

META = CheckpointMeta(
    step=120,
    epoch=3,
    seed=-1,
    config_sha256="c" * 64,
    data_sha256="d" * 64,
    metrics=Prefix.of(b"metrics"),
    statistics=Prefix.of(b"statistics"),
)


def _same(left, right):
    assert left.keys() == right.keys()
    for path, array in left.items():
        assert right[path].dtype == array.dtype
        assert right[path].shape == array.shape
        assert right[path].tobytes() == array.tobytes()


def test_state_comes_back_exactly(tensors):
    checkpoint = decode(encode(tensors(5), META))
    _same(tensors(5), checkpoint.tensors)
    assert checkpoint.meta == META


def test_arrays_that_come_back_are_aligned_and_can_be_changed(tensors):
    for array in decode(encode(tensors(5), META)).tensors.values():
        assert array.flags.aligned
        assert array.flags.writeable


def test_it_is_a_valid_safetensors_file_with_one_metadata_key(tmp_path, tensors):
    path = tmp_path / "step.safetensors"
    path.write_bytes(encode(tensors(5), META))
    _same(tensors(5), safetensors.numpy.load_file(path))
    with safetensors.safe_open(path, framework="np") as file:
        metadata = file.metadata()
    assert list(metadata) == ["nettrain"]
    plain = json.loads(metadata["nettrain"])
    assert plain["step"] == 120
    assert list(plain) == sorted(plain)
    assert metadata["nettrain"] == json.dumps(plain, separators=(",", ":"))


def test_hash_is_that_of_the_file_with_its_digits_zeroed(tensors):
    data = encode(tensors(5), META)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    stated = json.loads(header["__metadata__"]["nettrain"])["sha256"]
    assert data.count(stated.encode()) == 1
    zeroed = data.replace(stated.encode(), b"0" * 64)
    assert hashlib.sha256(zeroed).hexdigest() == stated


def test_bytes_do_not_depend_on_order_or_memory_layout(tensors):
    state = tensors(5)
    weight = "parameter/model/dense1/weight"
    state[weight] = np.arange(6, dtype=np.float32).reshape(2, 3)
    strided = dict(reversed(state.items()))
    strided[weight] = np.asfortranarray(state[weight])
    window = np.zeros((3, 2))
    window[:, 0] = state["optimizer/adam/moment1/model/dense1/weight"]
    strided["optimizer/adam/moment1/model/dense1/weight"] = window[:, 0]
    assert encode(strided, META) == encode(state, META)
    _same(state, decode(encode(strided, META)).tensors)


def test_bytes_do_not_depend_on_the_process():
    program = (
        "import sys, numpy as np\n"
        "from nettrain.record.append import Prefix\n"
        "from nettrain.record.checkpoint import CheckpointMeta, encode\n"
        "p = Prefix.of(b'')\n"
        "m = CheckpointMeta(1, 1, 0, 'c' * 64, 'd' * 64, p, p)\n"
        "t = {f'parameter/{i}': np.ones(i % 3) for i in range(20)}\n"
        "sys.stdout.buffer.write(encode(t, m))"
    )
    files = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(files) == 1
    assert len(files.pop()) > 200


def _refused(data):
    with pytest.raises(Error) as caught:
        decode(data)
    return caught.value.code


def test_every_flipped_byte_is_detected(tensors):
    data = encode(tensors(5), META)
    for place in range(len(data)):
        for flip in (0x01, 0x20, 0x80):
            damaged = bytearray(data)
            damaged[place] ^= flip
            assert _refused(bytes(damaged)) == "checkpoint-damaged", place


def test_every_missing_and_added_byte_is_detected(tensors):
    data = encode(tensors(5), META)
    for length in range(len(data)):
        assert _refused(data[:length]) == "checkpoint-damaged"
        assert _refused(data[:length] + data[length + 1 :]) == "checkpoint-damaged"
        longer = data[:length] + b"0" + data[length:]
        assert _refused(longer) == "checkpoint-damaged"
    assert _refused(data + b"\0") == "checkpoint-damaged"


def _sealed(header, body=b""):
    """A file with a hash that is right, whatever else is wrong with it."""
    text = json.dumps(header).encode()
    data = len(text).to_bytes(8, "little") + text + body
    zeros = b'\\"sha256\\":\\"' + b"0" * 64
    digest = hashlib.sha256(data).hexdigest().encode()
    return data.replace(zeros, zeros[:-64] + digest, 1)


def _header(plain, **tensors):
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return {"__metadata__": {"nettrain": text}, **tensors}


def _tensor(start, end):
    return {"dtype": "U8", "shape": [end - start], "data_offsets": [start, end]}


PLAIN = json.loads(META.to_json())


def test_the_file_that_the_next_tests_spoil_is_good():
    data = _sealed(_header(PLAIN, a=_tensor(0, 2)), b"xy")
    assert decode(data).tensors["a"].tolist() == [120, 121]


@pytest.mark.parametrize(
    "tensors",
    [
        {"a": _tensor(0, 4), "b": _tensor(2, 6)},
        {"a": _tensor(0, 2), "b": _tensor(3, 6)},
        {"a": _tensor(0, 5)},
        {"a": _tensor(0, 7)},
        {"a": {**_tensor(0, 6), "dtype": "BF16", "shape": [3]}},
        {"a": {**_tensor(0, 6), "shape": [2]}},
    ],
    ids=["overlap", "gap", "short", "long", "dtype", "shape"],
)
def test_file_with_a_right_hash_and_wrong_layout_is_refused(tensors):
    data = _sealed(_header(PLAIN, **tensors), b"123456")
    assert _refused(data) == "checkpoint-damaged"


@pytest.mark.parametrize(
    "change",
    [
        {"step": -1},
        {"step": True},
        {"step": "120"},
        {"epoch": 1.5},
        {"config_sha256": "C" * 64},
        {"metrics_length": None},
        {"statistics_sha256": "0" * 63},
    ],
)
def test_file_with_a_right_hash_and_senseless_fields_is_refused(change):
    assert _refused(_sealed(_header({**PLAIN, **change}))) == "checkpoint-damaged"


def test_deeply_nested_metadata_is_refused():
    text = META.to_json()[:-1] + ',"x":' + "[" * 100_000 + "]" * 100_000 + "}"
    data = _sealed({"__metadata__": {"nettrain": text}})
    assert _refused(data) == "checkpoint-damaged"


def test_whole_file_of_another_version_is_told_apart_from_damage():
    data = _sealed(_header({**PLAIN, "format": 2}))
    assert _refused(data) == "checkpoint-format"


def test_other_safetensors_file_is_refused(tensors):
    assert _refused(safetensors.numpy.save(tensors(5))) == "checkpoint-damaged"
