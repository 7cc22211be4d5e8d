"""Memory: predicted before the first step, and a run that cannot fit is refused."""

from __future__ import annotations

import gc
import json
import re
import resource
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain.errors import Error
from nettrain.execute import EXECUTORS, executor
from nettrain.execute.plan import NumpyProgram
from nettrain.experiment import api, available, memory, run
from nettrain.experiment.assembly import make_network
from nettrain.experiment.available import Limit
from nettrain.experiment.memory import check_fits, predict
from nettrain.experiment.setup import Setup, set_up
from nettrain.record import store
from nettrain.record.metrics import read_metrics
from nettrain.training.network import Network
from nettrain.training.programs import trace_step
from tests.experiment.conftest import ROOT, SMALL, Write
from tests.experiment.memory_runs import (
    BEST,
    arrays,
    child,
    config,
    dense,
    measured,
    resumed,
)

MB = 10**6
HUGE = [{"dense": 64}, {"dense": 10**9}, {"dense": 10**9}, {"dense": 3}]


def small(**sections: Any) -> Setup:
    data = {**SMALL["data"], **sections.pop("data", {})}
    return set_up({**SMALL, **sections, "data": data})


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets how many bytes there are, beside what is held."""

    def to(nbytes: int) -> None:
        def bound() -> Limit:
            return Limit(available.held() + nbytes, "a test")

        monkeypatch.setattr(available, "limit", bound)

    return to


# ---------------------------------------------------------------- what is predicted


@pytest.mark.parametrize("name", ["small", "wide", "blind"])
def test_what_is_predicted_is_what_is_held(name: str, tmp_path: Path) -> None:
    if name == "small":
        whole = config("digits", 32, dense(64, 32))
    else:
        several = {"accumulate": 2, **BEST}
        more = {"diagnose": False, "train": several} if name == "blind" else {}
        rows, batch, first = (500, 64, 2600) if name == "blind" else (1200, 256, 1000)
        source = arrays(tmp_path, rows, 784)
        whole = config(source, batch, dense(first, 800), **more)
    found = measured(whole, tmp_path)
    assert found.ratio == pytest.approx(1.0, abs=0.2), found
    assert (found.peak > 150 * MB) == (name != "small")
    if name == "blind":
        again = resumed(tmp_path)
        assert again.ratio == pytest.approx(1.0, abs=0.2), again


def test_terms_follow_their_formulas() -> None:
    setup = small(train={"epochs": 2, "stop": {"restore_best": True}})
    state = 4 * (4 * 8 + 8 + 8 * 3 + 3)
    stages = {stage.name: stage.terms for stage in predict(setup).stages}
    saved = stages["while a checkpoint is saved"]
    counters = 2 * 4 * 8
    assert saved[memory.STATE] == 3 * state + counters  # adam has two slots
    assert saved[memory.BEST] == state
    copies = memory.ENCODED * (4 * state + counters)
    assert saved[memory.COPIES] == copies
    assert saved[memory.GRADIENTS] == 4 * state  # plain, full, last batch, measure
    blind = predict(small(diagnose=False)).stages
    assert not {"for the verdict", "while the diagnosis is timed"} & {
        stage.name for stage in blind
    }


def test_a_run_that_goes_on_holds_its_checkpoint_until_it_trains() -> None:
    setup, checkpoint = small(), 3 * 4 * 67 + 2 * 4 * 8
    held = [s.terms.get(memory.READ, 0) for s in predict(setup).stages]
    assert not any(held)
    stages = {s.name: s for s in predict(setup, resumed=True).stages}
    held = [s.terms.get(memory.READ, 0) for s in stages.values()]
    read, made, looked, seen, *later = held
    assert read == memory.DECODED * checkpoint
    assert [made, looked, seen] == [checkpoint] * 3 and not any(later)
    assert list(stages)[4] == "in training"


def test_what_a_run_goes_on_from_is_let_go(
    tmp_path: Path, only_graphs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint and the rows before: neither is there once it trains."""
    run.run(SMALL, out=tmp_path / "run")
    kept: list[weakref.ref[Any]] = []
    real_decode, real_train = store.decode, Network.train

    def decode(data: bytes) -> Any:
        checkpoint = real_decode(data)
        kept.append(weakref.ref(checkpoint))
        return checkpoint

    class Noted(dict[str, Any]):
        """A row that can be looked after."""

    def read(*given: Any) -> list[Any]:
        rows = [Noted(row) for row in read_metrics(*given)]
        kept.extend(map(weakref.ref, rows[:-1]))
        return rows

    def train(self: Network, *given: Any) -> Any:
        assert not any(ref() for ref in kept)
        return real_train(self, *given)

    monkeypatch.setattr(store, "decode", decode)
    monkeypatch.setattr(run, "read_metrics", read)
    monkeypatch.setattr(Network, "train", train)
    ended = run.resume(tmp_path / "run", ["train.epochs=6"])
    assert ended.outcome is not None and ended.outcome.step == 36
    assert len(kept) > 18


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_program_is_planned_to_the_byte(name: str) -> None:
    setup, runner = small(model=dense(300, 200)), executor(name)
    network = make_network(setup)
    for full in (False, True):
        definition = trace_step(setup.recipe, 16, full).definition
        needed = runner.nbytes(definition)
        weights = sum(p.node.spec.nbytes for p in setup.step.trace.parameters.values())
        assert weights < needed < 40 * weights
        if name == "numpy":
            program = runner.program(definition, network.state)
            assert isinstance(program, NumpyProgram)
            assert needed == program.nbytes + program.own_nbytes


def test_nothing_is_made_of_a_run_that_is_only_predicted() -> None:
    before = available.held()
    setup = small(model=dense(6000, 6000))  # 144 MB of weights
    assert predict(setup).nbytes > 1000 * MB
    assert available.held() - before < 40 * MB


def test_a_network_goes_with_its_last_reference() -> None:
    setup = small()
    network = make_network(setup)
    train = setup.dataset.parts["train"]
    network.train(train.inputs[:16], train.targets[:16], 0.1, 1)
    weight = weakref.ref(network.state["model/dense1/weight"].base)
    network.release()
    network.train(train.inputs[:16], train.targets[:16], 0.1, 2)
    del network
    assert weight() is None


def test_two_networks_on_one_state() -> None:
    setup = small()
    first = make_network(setup)
    second = make_network(setup, first.state)
    assert second.state is first.state


# ---------------------------------------------------------------- refusals


def refused(setup: Setup, **how: bool) -> Error:
    with pytest.raises(Error) as found:
        check_fits(setup, **how)
    assert found.value.code == "memory-needed" and found.value.exit_code == 8
    return found.value


def test_a_run_that_fits_is_let_through(room: Any) -> None:
    needed = check_fits(small())
    room(needed.stage.nbytes - needed.stage.terms[memory.HELD] + MB)
    check_fits(small())


def test_an_absurd_layer(write: Write) -> None:
    text = json.dumps({**SMALL, "model": HUGE}, indent=1)
    setup = set_up(write(text))
    error = refused(setup)
    assert error.place is not None and error.place.line is not None
    lines = text.splitlines()
    assert "1000000000" in "".join(lines[error.place.line - 1 : error.place.line + 1])
    assert "EB of memory" in error.message and "available" in error.message
    assert error.fix == "give dense3 fewer units: it is the largest layer"


def test_a_batch_that_is_too_large(room: Any, write: Write) -> None:
    data = {"source": {"moons": {"samples": 20_000}}, "batch_size": 8000}
    whole = {**SMALL, "data": data, "model": dense(500, 500)}
    room(200 * MB)
    error = refused(set_up(write(json.dumps(whole, indent=1))))
    assert error.fix is not None and error.fix.startswith("say data.batch_size: ")
    assert error.place is not None and "8000" in error.place.text
    found = re.findall(r"\d+", error.fix)
    rows, several = map(int, found)
    assert 20 < rows < 8000 <= rows * several < 8000 + rows
    train = {**SMALL["train"], "accumulate": several}
    smaller = {**whole, "data": {**data, "batch_size": rows}, "train": train}
    assert predict(set_up(smaller)).stage.nbytes < predict(set_up(whole)).stage.nbytes


def test_too_many_rows_are_evaluated_at_once(room: Any) -> None:
    data = {
        "source": {"moons": {"samples": 20_000}},
        "evaluation_batch_size": 20_000,
        "preprocess": [],
    }
    setup = set_up({**SMALL, "data": data, "model": dense(2000)})
    room(80 * MB)
    error = refused(setup)
    assert error.fix is not None and "data.evaluation_batch_size: " in error.fix


@pytest.mark.parametrize("key", ["epochs", "steps"])
def test_so_many_updates_that_their_numbers_do_not_fit(room: Any, key: str) -> None:
    room(200 * MB)
    setup = set_up({**SMALL, "train": {key: 10**8}})
    fix = str(refused(setup).fix)
    found = re.fullmatch(rf"say train\.{key}: (\d+)", fix)
    assert found
    check_fits(set_up({**SMALL, "train": {key: int(found[1])}}))


def test_the_data_themselves_are_too_large(room: Any) -> None:
    room(-MB)
    assert "fewer rows" in (refused(small()).fix or "")


def test_without_a_bound_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "limit", lambda: None)
    assert check_fits(small(model=HUGE)).fits


def test_a_shape_that_no_array_has() -> None:
    for model in (
        [{"dense": 10**18}, {"dense": 10**18}, {"dense": 3}],
        [{"dense": 2 * 10**18}, "batch_norm", {"dense": 3}],
    ):
        with pytest.raises(Error) as found:
            small(model=model)
        assert (found.value.code, found.value.exit_code) == ("memory-full", 8)


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        ({"moons": {"samples": 10**6}}, "96 MB"),
        ({"spirals": {"samples": 10**6}}, "96 MB"),
        ({"blobs": {"features": 10**4}}, "320 MB"),
        ({"regression": {"samples": 10**6, "features": 10, "targets": 5}}, "480 MB"),
    ],
)
def test_data_that_cannot_fit_are_not_made(
    source: dict[str, Any], needed: str, room: Any
) -> None:
    room(50 * MB)
    with pytest.raises(Error) as found:
        small(data={"source": source})
    error = found.value
    assert (error.code, error.exit_code) == ("memory-needed", 8)
    assert error.message.startswith(f"the data need {needed} of memory at least, and ")
    assert error.message.endswith(" MB are available (a test)")


def test_files_that_cannot_fit_are_not_read(
    room: Any, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("rows.csv", "arrays.npz"):
        with open(name, "wb") as file:
            file.truncate(300 * MB)  # which takes no room
    room(200 * MB)
    more = {"target": "y", "split": {"test": "arrays.npz"}}
    for data in ({"source": "rows.csv"}, {"source": "arrays.npz"}, more):
        text = json.dumps({**SMALL, "data": {"source": "iris", **data}}, indent=1)
        with pytest.raises(Error, match="the data need 300 MB of memory") as found:
            set_up(write(text))
        assert found.value.code == "memory-needed"
        assert found.value.place is not None and "source" in found.value.place.text


def test_what_is_needed_of_generated_data_is_about_what_they_take() -> None:
    """The formula, beside the peak of a process that makes them."""
    source = {"blobs": {"samples": 100_000, "features": 40}}
    code = (
        "import json, sys; from nettrain.experiment import available as a; "
        "from nettrain.experiment.setup import set_up; import sklearn.datasets; "
        "config = json.loads(sys.argv[1]); before = a.held(); "
        "needed = set_up(config).experiment.data.nbytes; "
        "print(needed / (a.peak() - before))"
    )
    done = child(code, json.dumps({**SMALL, "data": {"source": source}}), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert 0.8 < float(done.stdout) < 1.2


def test_nothing_is_written_before_a_refusal(room: Any, write: Write) -> None:
    path = write(json.dumps(SMALL))
    room(1000)
    with pytest.raises(Error, match="available"):
        run.run(path, out=path.parent / "run")
    with pytest.raises(Error, match="available"):
        run.run(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["config.yaml"]
    with pytest.raises(Error, match="available"):
        api.fit([{"dense": 2}], np.zeros((20, 2)), np.arange(20) % 2)


def test_a_refused_resume_changes_nothing(
    room: Any, write: Write, only_graphs: None
) -> None:
    path = write(json.dumps({**SMALL, "diagnose": False}))
    folder = run.run(path, out=path.parent / "run").folder.path
    files = {f: f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    room(1000)
    with pytest.raises(Error, match="available"):
        run.resume(folder, ["train.epochs=9"])
    assert {f: f.read_bytes() for f in folder.rglob("*") if f.is_file()} == files


# ---------------------------------------------------------------- real limits

LIMITED = """
import resource, sys
from nettrain.cli.main import main
resource.setrlimit(resource.RLIMIT_AS, (600 * 2**20,) * 2)
sys.exit(main(sys.argv[1:]))
"""
SQUEEZED = """
import resource, sys
from nettrain.cli.main import main
from nettrain.experiment import available
from nettrain.record.store import CheckpointStore
save, ballast = CheckpointStore.save, []
def squeezed(self, *given, **named):
    path = save(self, *given, **named)
    most = available._status(available.ROOT)["VmSize"] + 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        while True:
            ballast.append(bytearray(2**20))
    except MemoryError:
        return path
CheckpointStore.save = squeezed
sys.exit(main(sys.argv[1:]))
"""
linux = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="limits are enforced on Linux"
)


@linux
def test_a_limit_of_the_process(tmp_path: Path) -> None:
    whole = config(arrays(tmp_path, 1000, 784), 256, dense(3000, 3000))
    (tmp_path / "config.yaml").write_text(json.dumps(whole))
    done = child(LIMITED, "run", "config.yaml", "--out", "run", cwd=tmp_path)
    assert done.returncode == 8, done.stderr
    assert "error[memory-needed]" in done.stderr and "RLIMIT_AS" in done.stderr
    assert not (tmp_path / "run").exists()


@linux
def test_memory_that_runs_out_while_training(tmp_path: Path) -> None:
    source = arrays(tmp_path, 8000, 500)
    whole = config(source, 4000, dense(4), epochs=3, diagnose=False)
    (tmp_path / "config.yaml").write_text(json.dumps(whole))
    done = child(SQUEEZED, "run", "config.yaml", "--out", "run", cwd=tmp_path)
    assert done.returncode == 8, done.stderr
    assert "error[memory-full]" in done.stderr and "MiB" in done.stderr
    assert "Traceback" not in done.stderr
    again = run.resume(tmp_path / "run").outcome
    whole_run = run.run(tmp_path / "config.yaml", out=tmp_path / "whole")
    assert again is not None and again.status == "finished"
    ended, beside = tmp_path / "run", whole_run.folder.path
    for part in ("metrics.jsonl", "checkpoints"):
        one, other = (
            [p.read_bytes() for p in sorted((root / part).rglob("*"))]
            or [(root / part).read_bytes()]
            for root in (ended, beside)
        )
        assert one == other


# ---------------------------------------------------------------- what there is


def machine(root: Path, **files: str) -> Path:
    """A file system with these files; `__` stands for a slash, `_` for itself."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


STATUS = "VmHWM:\t 9000 kB\nVmRSS:\t 1000 kB\nVmSize:\t 5000 kB\nVmData:\t 800 kB\n"
FREE = "MemTotal: 100000 kB\nMemAvailable:  60000 kB\nSwapFree: 3000 kB\n"
V2 = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw\n"
V1 = "35 31 0:32 {} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
KIB = 1024


def test_free_memory_and_swap(tmp_path: Path) -> None:
    root = machine(tmp_path, proc__self__status=STATUS, proc__meminfo=FREE)
    found = available.limit(root)
    assert found == Limit(64_000 * KIB, "the machine's free memory")
    assert (available.held(root), available.peak(root)) == (1000 * KIB, 9000 * KIB)


def group(root: Path, folder: str, **values: object) -> None:
    where = root / "sys/fs/cgroup" / folder
    where.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        (where / name.replace("__", ".")).write_text(f"{value}\n")


def in_group(root: Path, cgroup: str, mounts: str) -> Path:
    return machine(
        root,
        proc__self__status=STATUS,
        proc__meminfo=FREE,
        proc__self__cgroup=cgroup,
        proc__self__mountinfo=mounts,
    )


def test_nested_groups_of_version_2(tmp_path: Path) -> None:
    root = in_group(tmp_path, "0::/job/step\n", V2)
    group(root, "job/step", memory__max="max", memory__current=10 * KIB)
    group(
        root, "job", memory__max=5000 * KIB, memory__current=4000 * KIB,
        memory__stat=f"anon 1\nactive_file {500 * KIB}\ninactive_file {250 * KIB}",
    )  # fmt: skip
    # Of 5000 kB, 4000 are used, 750 of these by files that give way.
    assert available.limit(root) == Limit(2750 * KIB, "the control group /job")
    group(root, "job/step", memory__max=KIB, memory__current=2 * KIB)
    assert available.limit(root) == Limit(1000 * KIB, "the control group /job/step")


@pytest.mark.parametrize(
    ("top", "inner"),
    [
        ("/", "memory/docker/a1/job"),
        ("/docker/a1", "memory/job"),
        ("/docker/a1", "memory"),
    ],
)
def test_groups_of_version_1(tmp_path: Path, top: str, inner: str) -> None:
    """A container sees its own group as the root of the mount."""
    root = in_group(tmp_path, "4:memory:/docker/a1/job\n0::/\n", V1.format(top))
    group(
        root, inner, memory__limit_in_bytes=3000 * KIB,
        memory__usage_in_bytes=2000 * KIB, memory__stat=f"total_active_file {KIB}",
    )  # fmt: skip
    found = available.limit(root)
    assert found is not None and found.nbytes == 2001 * KIB
    group(root, inner, memory__limit_in_bytes=2**63 - 4096)
    assert available.limit(root) == Limit(64_000 * KIB, "the machine's free memory")


def test_limits_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine(tmp_path, proc__self__status=STATUS, proc__meminfo=FREE)
    soft = {resource.RLIMIT_AS: 9000 * KIB, resource.RLIMIT_DATA: 2000 * KIB}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft[which], -1))
    assert available.limit(root) == Limit(2200 * KIB, "RLIMIT_DATA")
    soft[resource.RLIMIT_DATA] = resource.RLIM_INFINITY
    assert available.limit(root) == Limit(5000 * KIB, "RLIMIT_AS")


def test_where_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert available.limit(tmp_path) is None
    assert available.held(tmp_path) > 10 * MB
    monkeypatch.setattr(available.sys, "platform", "darwin")
    bound = available.limit(tmp_path)
    assert bound is not None and bound.nbytes > 100 * MB


@linux
def test_what_is_held_grows_and_is_given_back() -> None:
    gc.collect()
    available.give_back()
    before = available.held()
    block = np.ones(80 * MB, np.uint8)
    assert 75 * MB < available.held() - before < 90 * MB
    assert available.peak() >= before + block.nbytes - 5 * MB
    del block
    available.give_back()
    assert available.held() - before < 10 * MB
