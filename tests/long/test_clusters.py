"""Sweeps on a cluster that exists: the same bytes as with processes of this machine."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

BASE = """\
data:
  source: {moons: {samples: 60, noise: 0.1}}
  split: {validation: 0.3}
  batch_size: 10
model: [{dense: {units: 4, activation: tanh}}, {dense: 1}]
loss: mse
optimizer: {sgd: {learning_rate: 0.1}}
train: {epochs: 4}
diagnose: false
"""
SWEEP = """\
base: base.yaml
seeds: 2
space:
  optimizer.sgd.learning_rate: [0.01, 0.1, 1.0e+30]
  model.dense1.activation: [tanh, raises]
"""
PLUGIN = """\
from nettrain.component import register
from nettrain.nn.activations import Activation

@register("raises")
class Raises(Activation):
    "x, but for a bug."
    def formula(self, z):
        raise RuntimeError("a bug of its own")
"""
BOTH = ["dask", "ray"]


class Cluster:
    """Two worker processes of dask, or of ray."""

    def __init__(self, kind: str) -> None:
        pytest.importorskip({"dask": "distributed", "ray": "ray"}[kind])
        self.kind, self._made = kind, list[subprocess.Popen[bytes]]()
        self.port = _free()
        if kind == "dask":
            address = f"tcp://127.0.0.1:{self.port}"
            self.environment = {"DASK_SCHEDULER_ADDRESS": address}
            host = ["--host", "127.0.0.1", "--no-dashboard"]
            self._start("dask", "scheduler", *host, "--port", str(self.port))
            _wait(self._answers)
            for _ in range(2):
                self.add_worker()
        else:
            self.environment = {"RAY_ADDRESS": f"127.0.0.1:{self.port}"}
            words = ["start", "--head", "--block", "--num-cpus", "2"]
            words += ["--port", str(self.port), "--include-dashboard=false"]
            words += ["--disable-usage-stats", "--temp-dir", tempfile.mkdtemp()]
            self._start("ray", *words)
            _wait(self._answers)
            time.sleep(5)  # until its node has joined

    def add_worker(self) -> None:
        address = self.environment["DASK_SCHEDULER_ADDRESS"]
        alone = ["--nthreads", "1", "--no-nanny", "--no-dashboard"]
        self._start("dask", "worker", address, *alone)

    def kill_worker(self) -> None:
        """End one that has a trial, at once."""
        if self.kind == "dask":
            with self._made.pop() as worker:
                worker.kill()
            return
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            if b"ray::PoolActor" in process.read_bytes():
                os.kill(int(process.parent.name), signal.SIGKILL)
                return

    def _start(self, command: str, *words: str) -> None:
        path = Path(sys.executable).with_name(command)
        quiet = subprocess.DEVNULL
        made = subprocess.Popen([path, *words], stdout=quiet, stderr=quiet)
        self._made.append(made)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self) -> None:
        for process in reversed(self._made):
            process.terminate()
        for process in self._made:
            process.wait(30)


def _free() -> int:
    """A port that ray keeps for nothing else."""
    while True:
        port = random.randrange(20500, 30000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


def _wait(condition: Callable[[], bool], seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.fixture(scope="module", params=BOTH)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    made = Cluster(request.param)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "plugin.py").write_text(PLUGIN)
    return tmp_path


def begun(out: str, backend: str, cluster: Cluster) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nettrain", "sweep", "sweep.yaml", "--out", out]
    command += ["--plugin", "plugin.py", f"backend={backend}"]
    if backend == "loky":
        command += ["--workers", "2"]
    return subprocess.Popen(
        command,
        env={**os.environ, **cluster.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=240)
    return process.returncode, said


def trained() -> list[Path]:
    return list(Path("out/trials").glob("*-seed-*/metrics.jsonl"))


def same(one: str = "out", other: str = "loky") -> bool:
    names = ("table.csv", "best.yaml")
    return all(
        Path(one, name).read_bytes() == Path(other, name).read_bytes() for name in names
    )


def test_the_result_is_that_of_this_machine_to_the_byte(
    folder: Path, cluster: Cluster
) -> None:
    """Some trials diverge, and some fail."""
    for out, backend in (("loky", "loky"), ("out", cluster.kind)):
        code, said = ended(begun(out, backend, cluster))
        assert code == 0, said
        assert said.count("RuntimeError: a bug of its own") == 6
    assert same()
    table = Path("out/table.csv").read_text()
    assert table.count(",finished,") == 2 and table.count(",diverged,") == 1


def test_a_killed_worker_and_a_signal_change_nothing(
    folder: Path, cluster: Cluster
) -> None:
    assert ended(begun("loky", "loky", cluster))[0] == 0
    process = begun("out", cluster.kind, cluster)
    _wait(lambda: bool(trained()))
    cluster.kill_worker()
    if cluster.kind == "dask":
        cluster.add_worker()
    _wait(lambda: len(trained()) > 3)
    process.send_signal(signal.SIGTERM)
    code, said = ended(process)
    assert code == 128 + signal.SIGTERM, said
    assert not Path("out/table.csv").exists() and not Path("out/.stop").exists()
    code, said = ended(begun("out", cluster.kind, cluster))
    assert code == 0, said
    assert same()


def test_trials_of_a_sweep_that_was_killed_make_room(
    folder: Path, cluster: Cluster
) -> None:
    """A cluster may not notice at once that nobody waits for them any more."""
    (folder / "base.yaml").write_text(BASE.replace("epochs: 4", "epochs: 4000"))
    (folder / "sweep.yaml").write_text("base: base.yaml\nseeds: 2\n")
    first = begun("out", cluster.kind, cluster)
    _wait(lambda: len(trained()) == 2)
    first.kill()
    first.communicate()
    code, said = ended(begun("out", cluster.kind, cluster))
    assert code == 0, said
    assert ended(begun("loky", "loky", cluster))[0] == 0
    assert same()


@pytest.mark.parametrize("backend", BOTH)
def test_a_cluster_has_to_be_named(folder: Path, backend: str) -> None:
    pytest.importorskip({"dask": "distributed", "ray": "ray"}[backend])
    command = [sys.executable, "-m", "nettrain", "sweep", "sweep.yaml"]
    command += ["--plugin", "plugin.py", f"backend={backend}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "needs a cluster that exists, and none is named" in done.stderr
