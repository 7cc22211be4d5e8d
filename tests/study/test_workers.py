"""What a worker sees to before a trial, and the way to a cluster."""

from __future__ import annotations

import dataclasses
import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nettrain.errors import Error
from nettrain.study import workers
from nettrain.study.workers import Trial


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker changes its process, which here goes on with other tests."""
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def trial(folder: Path, **other: object) -> Trial:
    config = folder / "0001.yaml"
    config.touch()
    made = Trial(
        folder / "0001-seed-0",
        config,
        (),
        100.0,
        (),
        None,
        folder / ".stop",
        os.getpid(),
    )
    return dataclasses.replace(made, **other)


@pytest.mark.parametrize(
    ("other", "code", "told"),
    [
        ({"config": Path("/gone/0001.yaml")}, "run-gone", "0001.yaml is gone"),
        (
            {"config": Path("/gone/0001.yaml"), "sweep": None},
            "config-backend",
            "does not see /gone/0001.yaml",
        ),
        ({"version": "0.0.9", "sweep": None}, "config-backend", "not 0.0.9"),
    ],
)
def test_a_trial_that_cannot_be_run_where_it_is_sent_ends_the_sweep(
    tmp_path: Path, other: dict[str, object], code: str, told: str
) -> None:
    with pytest.raises(Error) as error:
        workers.perform(trial(tmp_path, **other))
    assert error.value.code == code and told in str(error.value)


def test_a_trial_gives_its_error_whatever_is_printed(tmp_path: Path) -> None:
    loud = "import sys\nfor out in (sys.stdout, sys.stderr):\n"
    loud += "    print('error[disk-full] cannot write', file=out)\n"
    (tmp_path / "loud.py").write_text(loud + "    print('{\"code\": 1}', file=out)\n")
    given = trial(tmp_path, plugins=(str(tmp_path / "loud.py"),))
    given.config.write_text("data: {source: digits}\nmodel: [dense: 10]\nloss: ms")
    done = workers.perform(given)
    assert done.code == 2 and "error[disk-full]" in done.told
    assert done.error is not None and done.error.code == "config-unknown-component"
    assert done.error.message == 'unknown loss "ms"'
    assert str(done.error.place).endswith("0001.yaml:3:7")
    assert done.error.fix == 'did you mean "mse"?'
    assert pickle.loads(pickle.dumps(done)).error.message == done.error.message


@pytest.mark.parametrize("answer", ["", "{", "3", "{}", "[]", '{"code": "disk-full"}'])
def test_no_answer_is_no_error(answer: str) -> None:
    assert workers._error(answer) is None


def test_a_stopped_sweep_is_not_one_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / ".stop").touch()
    done = workers.perform(trial(tmp_path, config=Path("/gone/0001.yaml")))
    assert done.code == -1


def test_a_node_without_nettrain_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*given: object) -> object:
        raise ModuleNotFoundError("No module named 'nettrain'")

    monkeypatch.setattr(workers, "_round", lacking)
    with pytest.raises(Error, match="a node of dask has no nettrain") as error:
        list(workers.performed([trial(tmp_path)], 1, "dask"))
    assert error.value.exit_code == 2


@pytest.mark.parametrize("form", ["{}", "tcp://{}", "tls://{}", "ray://{}"])
def test_a_cluster_that_nobody_listens_for_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(workers, "_PLAIN", ())
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = form.format(f"127.0.0.1:{server.getsockname()[1]}")
        workers._check_answers("dask", address)
    began = time.monotonic()
    with pytest.raises(Error, match="the cluster of ray does not answer") as error:
        workers._check_answers("ray", address)
    assert error.value.code == "config-backend" and address in str(error.value)
    assert time.monotonic() - began < workers._ANSWER


@pytest.mark.parametrize("address", ["auto", "local", "inproc://10.0.0.1/8/1"])
def test_other_addresses_are_left_to_the_cluster_s_own_client(address: str) -> None:
    workers._check_answers("ray", address)


@pytest.mark.parametrize("address", ["host:99999", "tcp://[::1", "host:port"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(Error, match="does not answer"):
        workers._check_answers("dask", address)


@pytest.mark.parametrize(
    ("name", "said", "told"),
    [
        ("ray", b"\0\0\x12\4", ""),
        ("ray", b"HTTP/1.1 400", "no ray"),
        ("ray", b"", "no ray"),
        ("dask", b"\2" + bytes(7), ""),
        ("dask", b"SSH-2.0-OpenSSH", "no dask"),
        ("dask", b"\2", "no dask"),
    ],
)
def test_what_listens_has_to_be_the_cluster(name: str, said: bytes, told: str) -> None:
    """Its own client would wait for a minute, or several."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                if name == "ray":
                    assert connection.recv(99).startswith(b"PRI * HTTP/2.0")
                connection.sendall(said)

        listener = threading.Thread(target=answer)
        listener.start()
        if told:
            with pytest.raises(Error, match=told):
                workers._check_answers(name, address)
        else:
            workers._check_answers(name, address)
        listener.join()


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_what_listens_and_is_silent_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(workers, "_ANSWER", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Error, match="timed out"):
            workers._check_answers(name, address)


@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_a_cluster_without_its_package(
    monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setitem(sys.modules, backend, None)
    with pytest.raises(Error, match="needs the package of this name") as error:
        workers.check_backend(backend)
    assert error.value.code == "config-backend"
    workers.check_backend("loky")


@pytest.mark.parametrize(
    ("code", "timeout", "name"),
    [(-9, False, "SIGKILL"), (143, False, "SIGTERM"), (-15, True, ""), (7, False, "")],
)
def test_what_ended_a_trial(code: int, timeout: bool, name: str) -> None:
    assert workers.Done(Path("x"), code, timeout=timeout).signal == name
