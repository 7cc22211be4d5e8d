"""A sweep's config, given to the verbs that know configs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nettrain.cli.plan import brief
from nettrain.component.family import forget
from nettrain.errors import Error
from nettrain.experiment import available
from nettrain.experiment.available import Limit
from nettrain.study import plan as planning
from nettrain.study.plan import Plan
from nettrain.study.points import Base
from tests.cli.conftest import Call

SWEEP = """\
# which rate?
name: flowers-sweep
base: config.yaml
seeds: 3
space:
  optimizer.adam.learning_rate: {log: [1e-4, 1e-1]}  # a decade a third
  data.batch_size: [8, 16]
method: {random: {points: 5}}
objective: {metric: validation/accuracy}
"""


@pytest.fixture(autouse=True)
def _sweep(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "sweep.yaml").write_text(SWEEP)
    monkeypatch.setattr(planning, "cores", lambda threads: 4)
    monkeypatch.setattr(available, "limit", lambda: Limit(10**12, "the memory"))


def test_check_says_what_a_sweep_will_do(call: Call, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    answer = call("check", "sweep.yaml")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[:5] == [
        "sweep.yaml: flowers-sweep, a sweep",
        "",
        "key                           kind  values        number  of the base",
        "optimizer.adam.learning_rate  log   0.0001 … 0.1     any        0.001",
        "data.batch_size               list  8, 16              2           16",
    ]
    assert lines[6:10] == [
        "base      config.yaml: flowers",
        "method    random: points 5",
        "trials    5 points × 3 seeds = 15 trials, of up to 10 updates each",
        "objective validation/accuracy is to rise",
    ]
    assert lines[10].startswith("workers   4 at the same time, ")
    assert lines[11].startswith("          as the greediest of all 5 points: ")
    assert lines[11].endswith(", data.batch_size 16")
    assert lines[12].startswith("          there is memory for ")
    assert lines[12].endswith("(the memory)")
    assert lines[13].startswith("best      runs/flowers-sweep/NUMBER/best.yaml: ")
    assert sorted(folder.rglob("*")) == before


def test_check_as_json(call: Call) -> None:
    answer = call("check", "sweep.yaml", "seeds=2", "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert found["base"] == "config.yaml"
    assert [axis["own"] for axis in found["axes"]] == [0.001, 16]
    assert found["axes"][0]["count"] is None
    assert found["method"] == {"random": {"points": 5, "seed": 0}}
    assert (found["points"], found["trials"], found["workers"]) == (5, 10, 4)
    assert found["objective"] == {"metric": "validation/accuracy", "goal": "max"}
    assert found["memory"]["fits"] is True


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("folds=2", "5 points × 3 seeds × 2 folds = 30 trials"),
        ("seeds=1", "5 points = 5 trials"),
        ("method={halving: {points: 4, factor: 2}}", "4 until 25 %, 2 until 50 %, 1"),
        ("workers=2", "workers   2 at the same time"),
        ("workers=99", "workers   15 at the same time"),
        ("backend=dask", "as many at the same time as dask has workers"),
        ("limit=5", "limit     a trial fails after 5 minutes"),
        ("space={data.preprocess: [[standardize], []]}", "[standardize], []"),
        ("space={optimizer.sgd.momentum: [0.5]}", "none"),
        ("objective={goal: min}", "validation/loss is to fall"),
    ],
)
def test_other_sweeps(
    call: Call, monkeypatch: pytest.MonkeyPatch, override: str, said: str
) -> None:
    monkeypatch.setattr(planning, "check_backend", lambda name: None)
    answer = call("check", "sweep.yaml", override)
    assert (answer.code, answer.err) == (0, "")
    assert said in answer.out


def test_points_that_are_asked_for_later_may_be_fewer(call: Call) -> None:
    pytest.importorskip("optuna")
    answer = call("check", "sweep.yaml", "method=optuna", "seeds=1")
    assert "trials    up to 40 points = 40 trials" in answer.out


def test_long_values_are_cut(call: Call) -> None:
    answer = call("check", "sweep.yaml", "space={model: [[{dense: auto}]]}")
    assert max(map(len, answer.out.splitlines()[:5])) < 88
    assert "[{dense: {units: 6, activation:…" in answer.out.splitlines()[3]


def test_too_many_workers_for_the_memory(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = available.held() + 10**9
    monkeypatch.setattr(available, "limit", lambda: Limit(free, "some"))
    said = call("check", "sweep.yaml", "workers=15").out
    assert "(some): ask for fewer" in said
    assert "ask for fewer" not in call("check", "sweep.yaml").out
    monkeypatch.setattr(available, "limit", lambda: None)
    assert "is not known" in call("check", "sweep.yaml").out


def test_a_base_that_fits_nowhere(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(available, "held", lambda: 10**8)
    monkeypatch.setattr(available, "limit", lambda: Limit(10**8 + 20_000, "some"))
    answer = call("check", "sweep.yaml")
    assert answer.code == 8
    assert "15 trials" in answer.out
    assert answer.err.startswith("error[memory-needed] config.yaml:")


def test_the_greediest_point_decides(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A base that fits said nothing of a point that does not."""
    free = available.held() + 10**9
    monkeypatch.setattr(available, "limit", lambda: Limit(free, "some"))
    wide = "space={model.dense1.units: [4, 40000000]}"
    answer = call("check", "sweep.yaml", wide, "method=grid", "--json")
    assert answer.code == 8 and answer.err.startswith("error[memory-needed]")
    found = json.loads(answer.out)["memory"]  # one document
    assert (found["fits"], found["room"], found["all_points"]) == (False, 0, True)
    assert found["greediest"] == {"model.dense1.units": 40000000}
    answer = call("check", "sweep.yaml", wide, "method=grid")
    needs = "of all 2 points: model.dense1.units 40000000 needs "
    assert f"of those that fit; the greediest {needs}" in answer.out
    assert "\n          1 of 2 points does not fit into the memory\n" in answer.out
    assert answer.code == 8 and "(with model.dense1.units: 40000000)" in answer.err
    # Its trial is refused: the others are as many at a time as if it were not there.
    others = call("check", "sweep.yaml", wide.replace(", 40000000", ""), "method=grid")
    (line,) = (line for line in answer.out.splitlines() if "workers " in line)
    assert line in others.out and "1 at the same time" not in line
    assert "there is memory for 0" not in answer.out


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("space={}", "as the base is\n"),
        (
            "space={train.clip_norm: {log: [1, 9]}, train.clip_value: {log: [1, 9]}}",
            "50 of 60 points and 4 configs with the ends of each key, or all of ",
        ),
        (
            "space={model: [[{dense: auto}], [{conv1d: {filters: 1, size: 9}}]]}",
            "1 of 2 points cannot be trained: ",
        ),
        ("space={model.dense2.units: [3, 5, 2]}", "2 of 3 points cannot be trained, "),
    ],
)
def test_how_the_need_is_known(call: Call, override: str, said: str) -> None:
    method = "method={random: {points: 60}}" if "log" in override else "method=grid"
    answer = call("check", "sweep.yaml", override, method)
    assert answer.code == 0 and said in answer.out
    found = json.loads(call("check", "sweep.yaml", override, method, "--json").out)
    count = found["points_that_cannot_be_trained"]
    assert (found["flaw"] is None) is (count == 0)
    assert f"{count} of " in said or count == 0


def test_points_none_of_which_can_be_trained(call: Call, folder: Path) -> None:
    wrong = ["space={model.dense2.units: [4, 5]}", "method=grid"]
    answer = call("check", "sweep.yaml", *wrong)
    assert answer.code == 2 and "2 of 2 points cannot be trained, " in answer.out
    assert "(with model.dense2.units: 4)" in answer.err
    assert answer.err.startswith("error[config-head] command line: ")
    answer = call("check", "sweep.yaml", *wrong, "--json")
    assert answer.code == 2 and json.loads(answer.out)["flaw"] in answer.err


def test_points_with_own_code_are_told(call: Call, folder: Path) -> None:
    lines = ["from nettrain.component import register", "from nettrain.nn import ReLU"]
    lines += ['@register("own")', "class Own(ReLU):", '    "As it is."']
    (folder / "own.py").write_text("\n".join(lines) + "\n")
    space = "space={model.dense1.activation: [tanh, own]}"
    words = ["sweep.yaml", space, "method=grid", "--plugin", "own.py"]
    try:
        said = call("check", *words).out
    finally:
        forget("own")
    assert "1 of 2 points: model.dense1.activation tanh" in said
    told = "1 point with code of your own is not looked at: what the base has not is"
    assert f"{told} run in trials alone" in said


def test_a_component_that_a_key_replaces_is_told(call: Call, folder: Path) -> None:
    with (folder / "config.yaml").open("a") as file:
        file.write("optimizer: {adam: {learning_rate: 0.02, beta1: 0.8}}\n")
    told = (
        "optimizer: adam becomes sgd; its learning_rate 0.02, beta1 0.8 are not taken"
    )
    keys = "optimizer.sgd.momentum: [0.5], optimizer.sgd.learning_rate: [0.1]"
    answer = call("check", "sweep.yaml", f"space={{{keys}}}", "method=grid")
    assert answer.out.count(f"note      {told} over\n") == 1
    answer = call("check", "sweep.yaml", "--json")
    assert json.loads(answer.out)["notes"] == []
    words = ["optimizer.sgd.momentum=0.5", "optimizer.sgd.learning_rate=0.1"]
    assert call("check", "config.yaml", *words).out.count(told) == 1
    given = json.loads(call("check", "config.yaml", *words, "--json").out)["notes"]
    assert given == [f"{told} over"]
    assert "note " not in call("check", "config.yaml", "optimizer=sgd", *words).out
    plan = Plan.of(Base.read("sweep.yaml", [f"space={{{keys}}}", "method=grid"]))
    assert brief(plan, Path("runs/x/1"))[2:] == [f"{told} over"]


def test_mistakes(call: Call, folder: Path) -> None:
    text = SWEEP.replace("batch_size: [8, 16]", "batchsize: [8, 16]")
    (folder / "sweep.yaml").write_text(text.replace("1e-4", "-1"))
    answer = call("check", "sweep.yaml")
    assert (answer.code, answer.out) == (2, "")
    assert "error[config-value] sweep.yaml:6:34: a logarithm" in answer.err
    (folder / "sweep.yaml").write_text(text)
    answer = call("check", "sweep.yaml")
    assert answer.code == 2
    assert answer.err == (
        'error[config-unknown-key] sweep.yaml:7:3: unknown key "batchsize" in data\n'
        "      7 |   data.batchsize: [8, 16]\n"
        "        |   ^^^^^^^^^^^^^^\n"
        '  did you mean "batch_size"?\n'
    )


def test_fix(call: Call, folder: Path) -> None:
    text = SWEEP.replace("seeds: 3", 'seeds: "3"').replace("method", "methd")
    (folder / "sweep.yaml").write_text(text.replace("random", "randm"))
    answer = call("check", "sweep.yaml", "--fix")
    assert (answer.code, answer.err) == (0, "")
    assert (folder / "sweep.yaml").read_text() == SWEEP
    assert "+seeds: 3" in answer.out and "= 15 trials" in answer.out


def test_the_probe_is_of_one_config(call: Call) -> None:
    answer = call("check", "sweep.yaml", "--probe")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.endswith("\n  nettrain check config.yaml --probe\n")


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["run", "--seeds", "2"],
        ["lr"],
        ["graph"],
        ["bench"],
        ["run", "optimizer.adam.learning_rate=3", "data.batch_size=4"],
    ],
    ids=" ".join,
)
def test_one_error_where_a_run_is_wanted(
    call: Call, folder: Path, words: list[str]
) -> None:
    answer = call(words[0], "sweep.yaml", *words[1:])
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "error[config-kind] sweep.yaml:3:1: this is the config of a sweep, which "
        "trains many runs\n"
        "      3 | base: config.yaml\n"
        "        | ^^^^\n"
        "  nettrain sweep sweep.yaml\n"
    )
    assert not (folder / "runs").exists()


def test_one_error_where_a_sweep_is_wanted(call: Call, folder: Path) -> None:
    answer = call("sweep", "config.yaml")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.count("error[") == 1
    assert "config.yaml:2:1: this is the config of one run: a sweep has" in answer.err
    assert "with base: config.yaml and space: {KEY: [its values]}" in answer.err
    assert not (folder / "runs").exists()


def test_a_sweep_begins_with_two_lines(folder: Path) -> None:
    plan = Plan.of(Base.read("sweep.yaml", ()))
    first, second = brief(plan, Path("runs/flowers-sweep/1"))
    assert first == (
        "flowers-sweep: 5 points × 3 seeds = 15 trials of config.yaml, "
        "in runs/flowers-sweep/1"
    )
    assert second.startswith("validation/accuracy is to rise; 4 at the same time, ")
    assert second.endswith(" MB of memory each")


def test_the_two_lines_come_before_all_others(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> list[object]:
        raise Error("run-workers", "no worker here")

    monkeypatch.setattr("nettrain.study.sweep.performed", none)
    answer = call("sweep", "sweep.yaml")
    lines = answer.err.splitlines()
    assert lines[0].startswith("flowers-sweep: 5 points × 3 seeds = 15 trials of")
    assert lines[1].startswith("validation/accuracy is to rise; 4 at the same time")
    assert lines[2] == "error[run-workers] no worker here"
