"""The benchmark of faults: its smoke, and that it scores what it says."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.faults import baselines, report, run, training
from experiments.faults.catalogue import CONTROLS, FAULTS, PROGRAMS, of_split
from experiments.faults.components import Sample, clean_parts
from experiments.faults.jobs import Job, smoke, whole
from experiments.faults.references import best_reference, tolerance
from experiments.faults.scores import Judged, Scores, Share, hurts, overall, scored
from nettrain.component import build
from nettrain.diagnose.causes import TABLE
from nettrain.diagnose.finding import Finding
from nettrain.experiment.setup import set_up

# ---------------------------------------------------------------- the smoke


@pytest.fixture(scope="module")
def smoked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scores]:
    folder = tmp_path_factory.mktemp("faults") / "smoke"
    return folder, run.benchmark(smoke(), folder, workers=2)


def test_smoke_finds_faults_and_leaves_healthy_runs_alone(
    smoked: tuple[Path, Scores],
) -> None:
    _, found = smoked
    assert len(smoke()) == 71
    assert len(found.faulty) == 36
    assert len(found.healthy) + len(found.poor) == 35
    figures = overall(found)
    assert figures["recall"].value >= 0.98
    assert figures["primary cause right"].value >= 0.97
    assert figures["errors and warnings on healthy runs"].k == 0
    assert len(found.healthy) >= 32


def test_runs_that_are_there_are_judged_and_not_trained(
    smoked: tuple[Path, Scores], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, before = smoked
    monkeypatch.setattr(training, "train", None)
    after = run.benchmark(smoke(), folder)
    assert [r.findings for r in after.faulty] == [r.findings for r in before.faulty]


def test_results_are_written(smoked: tuple[Path, Scores]) -> None:
    folder, found = smoked
    text = run.write(found, folder, "Smoke", {})
    assert "| recall | 100.0% (90.4% to 100.0%; 36 of 36) |" in text
    assert len((folder / "runs.csv").read_text().splitlines()) == 72
    page = (folder / "results.html").read_text()
    assert "http" not in page and page.count("<table") == page.count("</table")


def test_a_killed_worker_costs_nothing_but_its_job(tmp_path: Path) -> None:
    assert run.pooled(_dies_once, [tmp_path / str(i) for i in range(4)], 2) == [1] * 4


def _dies_once(path: Path) -> int:
    import os
    import signal

    if path.name == "2" and not path.exists():
        path.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


# ---------------------------------------------------------------- the protocol


def test_splits_share_neither_data_nor_architecture() -> None:
    tuning, held_out = of_split("tuning"), of_split("held-out")
    assert not {p.data for p in tuning} & {p.data for p in held_out}
    own = [{(tuple(p.widths), p.activation) for p in s} for s in (tuning, held_out)]
    assert not own[0] & own[1]


@pytest.mark.parametrize("split", ["tuning", "held-out"])
def test_whole_is_large_enough_and_every_run_is_another(split: Any) -> None:
    jobs = whole(split)
    assert sum(job.role == "fault" for job in jobs) >= 500
    assert sum(job.role != "fault" for job in jobs) >= 700
    assert len({job.key for job in jobs}) == len(jobs)
    assert {j.change for j in jobs if j.role == "fault"} == set(FAULTS)
    controls = {j.change for j in jobs if j.role == "control"}
    assert controls >= set(CONTROLS) - {"target in its unit"}  # of one data set


def test_right_ids_are_ids() -> None:
    assert {id_ for fault in FAULTS.values() for id_ in fault.right} <= set(TABLE)


@pytest.mark.parametrize("split", ["tuning", "held-out"])
def test_every_config_is_one(split: Any) -> None:
    for job in whole(split, seeds=1):
        set_up(job.config())


def test_a_change_leaves_the_program_alone() -> None:
    for program in PROGRAMS.values():
        before = copy.deepcopy(program.config(0))
        for change in (*FAULTS.values(), *CONTROLS.values()):
            if program.kind in change.kinds:
                change.apply(program.config(0), program)
        assert program.config(0) == before


# ---------------------------------------------------------------- spoilt data


def parts(source: Any, seed: int = 0, **settings: Any) -> dict[str, Any]:
    """Inputs and targets of each part, as the network's owner has them."""
    sample = build(Sample, {"of": source, **settings}, (), [])
    tables = sample.load(seed).tables
    return {
        part: np.stack([t.numbers(name)[0] for name in t.names], axis=1)
        for part, t in tables.items()
    }


def same_labels(a: np.ndarray, b: np.ndarray) -> float:
    return float((a[:, -1] == b[:, -1]).mean())


def test_labels_are_shuffled_where_they_are_seen_and_not_where_tested() -> None:
    clean, bad = parts("digits"), parts("digits", spoilt=["shuffled_labels"])
    assert np.array_equal(clean["test"], bad["test"])
    assert same_labels(clean["train"], bad["train"]) < 0.2
    assert sorted(clean["train"][:, -1]) == sorted(bad["train"][:, -1])
    assert np.array_equal(clean["train"][:, :-1], bad["train"][:, :-1])


def test_a_fifth_of_the_labels_is_wrong() -> None:
    clean, bad = parts("digits"), parts("digits", spoilt=[{"wrong_labels": 0.2}])
    assert same_labels(clean["train"], bad["train"]) == pytest.approx(0.8, abs=0.002)
    assert np.array_equal(clean["test"], bad["test"])


def test_imbalance_is_as_asked_and_the_test_rows_stay_balanced() -> None:
    bad = parts("digits", spoilt=[{"imbalanced": 25.0}])
    counts = np.bincount(bad["train"][:, -1].astype(int))
    assert counts[:5].min() / counts[5:].max() >= 25
    assert np.bincount(bad["test"][:, -1].astype(int)).min() > 30


def test_scaling_is_of_all_parts_and_few_rows_are_of_all_classes() -> None:
    scaled = {"scaled": {"factor": 1e4, "features": 1}}
    clean, bad = parts("wine"), parts("wine", spoilt=[scaled])
    for part in clean:
        ratio = bad[part][:, :-1] / clean[part][:, :-1]
        assert np.allclose(ratio[:, 0], 1e4) and np.allclose(ratio[:, 1:], 1)
    few = parts("wine", spoilt=[{"few": 12}])["train"]
    assert np.bincount(few[:, -1].astype(int)).tolist() == [4, 4, 4]


def test_sorted_rows_stand_in_order_of_their_class() -> None:
    labels = parts("digits", spoilt=["sorted"])["train"][:, -1]
    assert (np.diff(labels) >= 0).all()


def test_parts_are_disjoint_and_depend_on_the_seed_alone() -> None:
    first, again, other = parts("iris"), parts("iris"), parts("iris", seed=1)
    assert np.array_equal(first["train"], again["train"])
    assert not np.array_equal(first["train"], other["train"])
    assert sum(len(rows) for rows in first.values()) == 150
    target = parts({"friedman1": {"samples": 300}})
    everything = np.concatenate([rows[:, -1] for rows in target.values()])
    assert everything.mean() == pytest.approx(0, abs=1e-9)
    assert everything.std() == pytest.approx(1)


def test_true_task_is_that_of_the_source() -> None:
    assert clean_parts(build(Sample, {"of": "diabetes"}, (), []), 0)[1] == "regression"
    assert clean_parts(build(Sample, {"of": "wine"}, (), []), 0)[1] == "classification"


def test_a_forgotten_weight_stays_as_it_is() -> None:
    job = Job("digits-waist", "fault", "first weight not in the optimizer", 0)
    config = job.config()
    config["train"]["epochs"] = 2
    evidence = training.train(config, published=False).evidence
    moved = dict(zip(evidence.parameters, evidence.update_norm[-1], strict=True))
    assert moved.pop("model/dense1/weight") == 0
    assert min(moved.values()) > 0


# ---------------------------------------------------------------- scores


def test_wilson_interval() -> None:
    # Newcombe (Statistics in Medicine 17, 1998), table I, method 3.
    for k, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605),
                            (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):  # fmt: skip
        assert Share(k, n).interval == pytest.approx((low, high), abs=5e-5)
    assert math.isnan(Share(0, 0).value)


def test_a_fault_hurts_if_it_is_worse_by_rank_and_by_enough() -> None:
    twins = [0.90, 0.92, 0.94, 0.95, 0.96]
    assert hurts([0.80, 0.81, 0.82, 0.83, 0.84], twins)
    assert not hurts([0.89, 0.89, 0.89, 0.89, 0.89], twins[:1] * 5)  # .01 is too little
    assert not hurts([0.5, 0.99, 0.99, 0.6, 0.7], twins)  # not by rank
    assert not hurts(twins, [0.80, 0.81, 0.82, 0.83, 0.84])  # better


def finding(id_: str, severity: Any, **fields: Any) -> Finding:
    return Finding(id_, id_, severity, "why", **fields)


def judged(
    role: Any, change: str, seed: int, score: float, findings: Sequence[Finding] = ()
) -> Judged:
    job = Job("circles-relu", role, change, seed)
    return Judged(job, "finished", score, 120, 200, findings)


def some(findings: Sequence[Finding], healthy: Sequence[Finding] = ()) -> Scores:
    """Ten runs with a fault, ten healthy ones and one that is not good."""
    runs = [judged("fault", "one layer bias -10", i, 0.5, findings) for i in range(10)]
    runs += [judged("twin", "", i, 0.99, healthy) for i in range(10)]
    runs += [judged("control", "clipped", 0, 0.8, healthy)]
    return scored(runs, {("circles-relu", i): (1.0, 0.05) for i in range(10)})


def test_right_cause_and_layer_count() -> None:
    found = some([finding("I5", "error", primary=True, layer="dense2", step=40)])
    assert (len(found.faulty), len(found.healthy), len(found.poor)) == (10, 10, 1)
    figures = overall(found)
    assert figures["recall"] == figures["primary cause right"] == Share(10, 10)
    assert figures["layer right"] == Share(10, 10)
    assert figures["errors and warnings on healthy runs"] == Share(0, 10)
    assert found.faulty[0].latency == 40 / 200


def test_wrong_cause_wrong_layer_and_notes_do_not_count() -> None:
    wrong = overall(some([finding("G1", "error", primary=True, layer="dense2")]))
    assert wrong["recall"] == Share(10, 10)
    assert wrong["primary cause right"] == wrong["layer right"] == Share(0, 10)
    place = overall(some([finding("I5", "error", primary=True, layer="dense1")]))
    assert place["primary cause right"] == Share(10, 10)
    assert place["layer right"] == Share(0, 10)
    noted = some([finding("I5", "note", step=40)])
    assert overall(noted)["recall"] == Share(0, 10)
    assert noted.faulty[0].latency is None


def test_false_alarms_are_errors_and_warnings() -> None:
    figures = overall(some([], [finding("O1", "warning", primary=True)]))
    assert figures["errors on healthy runs"] == Share(0, 10)
    assert figures["errors and warnings on healthy runs"] == Share(10, 10)


def test_harmless_faults_count_as_nothing() -> None:
    runs = [judged("fault", "one layer bias -10", i, 0.99) for i in range(10)]
    runs += [judged("twin", "", i, 0.99) for i in range(10)]
    found = scored(runs, {("circles-relu", i): (1.0, 0.05) for i in range(10)})
    assert (len(found.faulty), len(found.harmless)) == (0, 10)


def test_recovered_is_back_to_the_twins() -> None:
    found = some([])
    for after, back in ((0.95, True), (0.93, False), (None, False)):
        run_ = Judged(**{**vars(found.faulty[0]), "recovered": after})
        assert found.recovered(run_) is back


def test_reference_is_the_best_in_the_mean_and_its_tolerance_is_of_the_rows() -> None:
    scores = [{"a": 0.9, "b": 0.8}, {"a": 0.7, "b": 0.95}]
    assert best_reference(scores) == [0.8, 0.95]
    assert tolerance(0.9, 30, True) == pytest.approx(2 * math.sqrt(0.09 / 30))
    assert tolerance(0.9, 3000, True) == 0.05
    assert tolerance(0.9, 30, False) == 0.1


# ---------------------------------------------------------------- published rules


def test_published_rules_flag_what_they_should(smoked: tuple[Path, Scores]) -> None:
    folder, found = smoked
    by_change = {r.job.change: r.published for r in found.faulty}
    assert "dead relu" in by_change["bias -10"]["keras-contrib"]
    assert "dead relu" in by_change["bias -10"]["SageMaker Debugger"]
    assert "learning rate" in by_change["sgd rate 2"]["UMLAUT (2021)"]
    assert "inputs" in by_change["inputs x 1000"]["DeepDiagnosis (2022)"]
    assert "saturated" in by_change["tanh N(0, 9)"]["DeepDiagnosis (2022)"]
    tanh = [r for r in found.healthy if r.job.cell == ("circles-tanh", "twin", "")]
    for healthy in tanh:  # no unit of tanh is dead, and its outputs are small
        assert not healthy.published["keras-contrib"]
        assert "unnormalised" not in healthy.published["AUTOTRAINER (2021)"]
    dense = next(run for run in found.healthy if run.published)
    record = training.load(folder / f"{dense.job.key}.run")
    assert set(baselines.flags(record)) == set(baselines.TOOLS)


def test_a_share_is_told_with_its_interval() -> None:
    assert report.told(Share(9, 10)) == "90.0% (59.6% to 98.2%; 9 of 10)"
