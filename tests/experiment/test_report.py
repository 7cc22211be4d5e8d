"""report.html: written with the run, the same whenever it is written again."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

import nettrain as nt
from nettrain.errors import Error
from nettrain.experiment import available, memory, report
from nettrain.experiment.recorder import Nobody
from nettrain.experiment.report import _in_full, redraw
from nettrain.experiment.run import resume, run
from nettrain.experiment.setup import Setup, set_up
from nettrain.record.folder import RunFolder
from nettrain.span import Span
from tests.experiment.conftest import ROOT, SMALL
from tests.show.test_page import Parts

TABLE = "\n".join(["a,b,y", *(f"{i},{i % 7},{3 * i + i % 7}" for i in range(60)), ""])
REGRESSION = """\
name: line
data: {source: table.csv, target: y, preprocess: [standardize]}
model: [{dense: 4}, {dense: 1}]
loss: mse
train: {epochs: 2}
"""


def with_table(
    folder: Path, monkeypatch: pytest.MonkeyPatch, until: Span | None = None
) -> tuple[Path, Path]:
    """A run in the working folder, and the table of its data."""
    monkeypatch.chdir(folder)
    table, config = folder / "table.csv", folder / "config.yaml"
    table.write_text(TABLE)
    config.write_text(REGRESSION)
    return run(config, out=folder / "run", until=until).folder.path, table


def kill(folder: Path) -> dict[str, Any]:
    """Let a run look as if it had been killed; gives what it told of its end."""
    facts: dict[str, Any] = json.loads((folder / "run.json").read_text())
    begun = {k: v for k, v in facts.items() if k not in ("summary", "reason")}
    begun |= {"status": "running", "step": 0, "epoch": 0}
    (folder / "run.json").write_text(json.dumps(begun))
    return facts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, for reading only."""
    return nt.train(SMALL, out=tmp_path_factory.mktemp("made") / "run").path


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "run")


def test_the_default_run_has_its_whole_page(tmp_path: Path) -> None:
    ended = run(ROOT / "configs/mlp.yaml", ["train.epochs=3"], out=tmp_path / "run")
    page = (ended.folder.path / "report.html").read_bytes()
    assert len(page) < 3e6
    parts = Parts(page.decode())
    assert parts.said.startswith("digits-mlp digits-mlp Healthy")  # title, heading
    assert [c["title"] for c in parts.data["charts"]] == ["loss", "accuracy"]
    graph = parts.data["graph"]
    assert graph["open"] == ["model"]
    weight = next(n for n in graph["nodes"] if n["id"] == "model/dense1/weight")
    assert weight["origin"].startswith("mlp.yaml:")
    assert weight["facts"]["shape"] == [64, 64]
    moments = len(graph["moments"])
    over_time = graph["statistics"]["model/dense1/weight"]
    assert moments > 5
    assert {len(values) for values in over_time.values()} == {moments}
    assert graph["healths_then"]["model/dense3/pre_activation"] == [4] * moments


def test_it_ends_where_training_ended(made: Path) -> None:
    page = Parts((made / "report.html").read_text())
    loss = page.data["charts"][0]
    train = [v for v in loss["series"][1]["values"] if v is not None]
    facts = json.loads((made / "run.json").read_text())
    assert train[-1] == pytest.approx(facts["summary"]["last"]["train/loss"], rel=1e-3)
    assert loss["best"] == facts["summary"]["best"]["validation/loss"]["epoch"]


@pytest.mark.parametrize("sections", [{}, {"diagnose": False}], ids=["", "plain"])
def test_the_same_bytes_again(tmp_path: Path, sections: dict[str, bool]) -> None:
    stop = {"monitor": "validation/loss", "patience": 2, "restore_best": True}
    config = {**SMALL, "train": {"epochs": 6, "stop": stop}, **sections}
    path = nt.train(config, out=tmp_path / "run").path
    names = ["report.html", *(f"plots/{p.name}" for p in (path / "plots").iterdir())]
    before = {name: (path / name).read_bytes() for name in names}
    for name in names:
        (path / name).unlink()
    assert redraw(path) == path / "report.html"
    assert {name: (path / name).read_bytes() for name in names} == before


def test_findings_of_a_sick_run_have_their_pictures(tmp_path: Path) -> None:
    ended = run(ROOT / "configs/sick/vanishing.yaml", out=tmp_path / "run")
    assert ended.outcome is not None
    primary = ended.outcome.findings[0]
    page = Parts((tmp_path / "run/report.html").read_text())
    assert "sick-vanishing Vanishing gradient at model/repeat1" in page.said
    classes = [a.get("class") for _, a in page.elements]
    assert classes.index("picture") < classes.index("consequences")
    assert primary.remedy is not None and primary.remedy.text in page.said
    assert "nettrain run " in page.said
    redrawn = Parts(redraw(tmp_path / "run").read_text())
    assert redrawn.said == page.said
    first = [levels[0] for levels in page.data["graph"]["healths_then"].values()]
    assert (min(first), max(first)) == (0, 4)


def test_a_run_knows_whether_its_config_alone_says_what_it_is(
    tmp_path: Path,
) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(json.dumps(SMALL))

    def known(folder: Path) -> bool:
        facts = json.loads((folder / "run.json").read_text())
        assert isinstance(facts["as_given"], bool)
        return bool(facts["as_given"])

    plain, changed = tmp_path / "plain", tmp_path / "changed"
    run(config, out=plain, until=Span(1, "epochs"), pictures=False)
    run(config, ["seed=7"], out=changed, until=Span(1, "epochs"), pictures=False)
    assert (known(plain), known(changed)) == (True, False)
    for folder in (plain, changed):
        resume(folder, pictures=False)
    assert (known(plain), known(changed)) == (True, False)
    resume(plain, ["train.epochs=5"], pictures=False)
    assert not known(plain)
    run(SMALL, out=tmp_path / "mapping", until=Span(1, "epochs"), pictures=False)
    assert not known(tmp_path / "mapping")


def test_without_its_data_a_page_has_everything_but_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, table = with_table(tmp_path, monkeypatch)
    table.unlink()
    page = Parts(redraw(path).read_text())
    assert "It could not be drawn: " in page.said
    assert page.data["graph"] is None
    assert page.data["charts"]
    with pytest.raises(Error):
        redraw(path, png=True)


def test_data_that_have_changed_are_no_basis_for_a_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, table = with_table(tmp_path, monkeypatch)
    table.write_text(TABLE.replace("8,1,25", "8,1,26"))
    assert Parts(redraw(path).read_text()).data["graph"] is None


@pytest.fixture
def stopped(folder: Path) -> Path:
    """What a killed run leaves: four whole rows in its second of six epochs."""
    kill(folder)
    for name in ("metrics.jsonl", "statistics.csv"):
        lines = (folder / name).read_text().splitlines(keepends=True)
        whole = lines[:STEPS] if name == "metrics.jsonl" else lines[:9]
        (folder / name).write_text("".join(whole) + lines[STEPS][:7])
    (folder / "findings.json").unlink()
    shutil.rmtree(folder / "plots")
    (folder / "plots").mkdir()
    (folder / "report.html").unlink()
    told = {"event": "finding", "time": "2000", "id": "A1", "name": "dead-units"}
    told |= {"severity": "warning", "node": "model/dense1/activation", "epoch": 1}
    lines = [told | {"step": 1}, told | {"step": 3}, told | {"step": 999, "id": "G1"}]
    lines.append(told | {"step": 1, "severity": "<b>"})
    with (folder / "events.jsonl").open("a") as events:
        events.writelines(json.dumps(line) + "\n" for line in lines)
    return folder


STEPS = 8
"""Updates of which the killed run has whole rows; an epoch has six."""


def test_a_killed_run_has_the_page_of_what_is_there(stopped: Path) -> None:
    assert redraw(stopped, png=True) == stopped / "report.html"
    page = Parts((stopped / "report.html").read_text())
    assert "Not finished Findings so far: 1." in page.said
    assert f"killed at epoch 2, step {STEPS} nettrain resume {stopped}" in page.said
    assert "warning A1 dead units at model/dense1/activation, epoch 1, step 3" in (
        page.said
    )
    # No checkpoint is of so few rows.
    assert f"{stopped} has no checkpoint that can be used" in page.said
    assert page.data["graph"] is None and "As it was" not in page.said
    loss = page.data["charts"][0]
    prior = json.loads((stopped / "run.json").read_text())["prior"]
    guessing = next(s for s in loss["series"] if s["label"] == "guessing")
    assert guessing["values"][0] == pytest.approx(prior, rel=1e-4)
    assert "guessing: H0" in (stopped / "plots/cost.svg").read_text()
    assert loss["x"][-1] == pytest.approx(STEPS / 6, rel=1e-4)
    last = json.loads((stopped / "metrics.jsonl").read_text().splitlines()[5])
    assert f"loss {last['train/epoch_loss']:.4g}" in page.said
    assert "(epoch 1)" in page.said
    assert {chart["best"] for chart in page.data["charts"]} == {1.0}
    assert "best epoch 1" in (stopped / "plots/cost.svg").read_text()
    drawn = {p.name for p in (stopped / "plots").iterdir()}
    assert {"cost.svg", "cost.png", "updates.svg", "gradient-flow.svg"} <= drawn
    assert not {"graph.svg", "graph.png", "dead-neurons.svg"} & drawn
    resume(stopped)  # and it goes on as if nobody had looked
    assert "Not finished" not in Parts((stopped / "report.html").read_text()).said


def test_a_killed_run_in_its_first_epoch_has_its_plans_time(stopped: Path) -> None:
    lines = (stopped / "metrics.jsonl").read_text().splitlines(keepends=True)
    (stopped / "metrics.jsonl").write_text("".join(lines[:2]))
    page = Parts(redraw(stopped).read_text())
    assert page.data["charts"][0]["x"] == pytest.approx([0, 1 / 6, 2 / 6], rel=1e-4)
    assert "No epoch was finished." in page.said  # and none will be
    (stopped / "metrics.jsonl").write_text("")
    (stopped / "statistics.csv").write_text("")
    page = Parts(redraw(stopped, png=True).read_text())
    assert page.said.count("No update was recorded.") == 2
    assert page.data["charts"] == []
    # Of a run without an update the weights are those at first.
    assert page.data["graph"]["at"] == "the beginning"
    assert "As it was at the beginning." in page.said
    assert {"graph.svg", "graph.png"} <= {p.name for p in stopped.glob("plots/*")}


def test_without_a_checkpoint_no_weights_were_kept(tmp_path: Path) -> None:
    stop = {"monitor": "validation/loss", "patience": 9, "restore_best": True}
    config = {**SMALL, "train": {"epochs": 2, "stop": stop}, "diagnose": False}
    folder = nt.train(config, out=tmp_path / "run").path
    kill(folder)
    page = Parts(redraw(folder).read_text())
    assert page.data["graph"] is not None and "Of the weights kept" in page.said
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(b"damaged")
    page = Parts(redraw(folder).read_text())
    assert f"{folder} has no checkpoint that can be used" in page.said
    assert page.data["graph"] is None and "Of the weights kept" not in page.said
    assert "(epoch " in page.said  # the best epoch is still told


@pytest.mark.parametrize("is_killed", [True, False])
def test_where_memory_runs_out_a_page_has_no_graph(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    if is_killed:
        kill(folder)

    def full(*_: object) -> None:
        raise MemoryError("275 MiB")

    for part in ("network_drawing", "make_network"):
        monkeypatch.setattr(report, part, full)
        page = Parts(redraw(folder).read_text())
        assert page.data["graph"] is None and page.data["charts"]
        assert "It could not be drawn: there is no memory for it: 275 MiB" in page.said
        monkeypatch.undo()
    monkeypatch.setattr(report, "network_drawing", full)
    with pytest.raises(Error) if not is_killed else contextlib.nullcontext():
        redraw(folder, png=True)


@pytest.mark.parametrize("is_killed", [True, False])
def test_without_memory_for_its_network_a_page_has_no_graph(
    folder: Path, monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    if is_killed:
        kill(folder)
    needed = memory.predict(set_up(folder / "config.resolved.yaml"), resumed=True)
    sizes = {stage.name: stage.nbytes for stage in needed.stages}
    read = max(n for name, n in sizes.items() if "checkpoint is read" in name)
    drawn = sizes["while the pictures are drawn"]
    trained = memory.Stage("in training", {memory.HELD: 1, memory.STATE: 10**15})
    stages = (trained, *needed.stages)

    def page(room: int) -> Parts:
        limit = available.Limit(room, "this test")
        told = memory.Prediction(stages, 0, limit)
        monkeypatch.setattr(memory, "predict", lambda *_, **__: told)
        return Parts(redraw(folder).read_text())

    whole = page(10**14)
    assert whole.data["graph"] is not None  # though it could not be trained
    for room in (read - 1, drawn - 1):
        few = page(room)
        assert few.data["graph"] is None
        assert few.data["charts"] == whole.data["charts"]
        assert few.data["charts"][0]["best"]
        assert "It could not be drawn: the run needs" in few.said
        assert "are available (this test)" in few.said


def test_a_killed_run_tells_its_findings_in_full(tmp_path: Path) -> None:
    """Those of the time of its newest checkpoint, though no cause."""
    folder = tmp_path / "run"
    run({**SMALL, "optimizer": {"sgd": {"learning_rate": 0}}}, out=folder)
    facts = kill(folder)
    found = json.loads((folder / "findings.json").read_text())
    (folder / "findings.json").unlink()
    page = Parts(redraw(folder).read_text())
    assert "Not finished" in page.said and "primary cause" not in page.said
    at = f"step {facts['step']}"
    assert page.data["graph"]["at"] == at and f"As it was at {at}." in page.said
    assert "Dead neurons" in page.said
    stuck = next(row for row in found if row["name"] == "parameter-not-updated")
    assert f"why {stuck['why']}" in page.said
    assert f"What to change: {stuck['remedy']['text']}" in page.said


def test_before_the_end_nothing_is_called_a_consequence() -> None:
    row = {"id": "A1", "node": "z", "severity": "warning", "primary": False}
    saved = {**row, "severity": "note", "why": "so", "consequence_of": "G1"}
    other = {**row, "node": "y"}
    assert _in_full([row, other], [{**saved, "primary": True}]) == [
        {**row, "why": "so", "consequence_of": None},
        {**other, "consequence_of": None},
    ]


def test_a_killed_run_without_its_data_has_everything_but_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, table = with_table(tmp_path, monkeypatch, until=Span(1, "epochs"))
    kill(path)
    table.unlink()
    page = Parts(redraw(path).read_text())
    assert "It could not be drawn: " in page.said and page.data["graph"] is None
    labels = [series["label"] for series in page.data["charts"][0]["series"]]
    assert "guessing" in labels


def test_a_running_run_is_told_beside_its_folder_and_not_touched(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with RunFolder.open(stopped).lock():
        files = [p for p in sorted(stopped.rglob("*")) if p.is_file()]
        before = [(p, p.read_bytes(), p.stat().st_mtime_ns) for p in files]
        page = redraw(stopped)
        assert page == Path("small-run-so-far.html")
        with pytest.raises(Error, match="in use"):
            redraw(stopped, png=True)
        files = [p for p in sorted(stopped.rglob("*")) if p.is_file()]
        assert [(p, p.read_bytes(), p.stat().st_mtime_ns) for p in files] == before
    said = Parts(page.read_text()).said
    assert f"running at epoch 2, step {STEPS}" in said
    assert "nettrain resume" not in said
    assert "Gradient flow" in said  # drawn, though its folder has no picture
    assert "It could not be drawn: the run has not come to its end" in said
    assert [p.name for p in Path().iterdir()] == [page.name]


def test_an_ended_run_in_use_is_waited_for(folder: Path) -> None:
    with RunFolder.open(folder).lock(), pytest.raises(Error, match="in use"):
        redraw(folder)


def test_pictures_again_and_again(folder: Path) -> None:
    redraw(folder, png=True)
    redraw(folder, png=True)


def test_an_interrupted_run_in_its_first_epoch(tmp_path: Path) -> None:
    def stop(setup: Setup, total: int) -> Nobody:
        seen = Nobody()
        seen.step = lambda n, *_: n == 2 and os.kill(os.getpid(), signal.SIGINT)
        return seen

    ended = run(SMALL, out=tmp_path / "run", watch=stop)
    assert ended.outcome is not None and ended.outcome.status == "interrupted"
    page = Parts(redraw(tmp_path / "run").read_text())
    steps = ended.outcome.step
    assert steps < 6
    assert page.data["charts"][0]["x"][-1] == pytest.approx(steps / 6, rel=1e-4)
    assert (
        f"interrupted at epoch 1, step {steps}: a signal nettrain resume" in page.said
    )
    assert page.data["graph"] is not None


def test_pictures_as_png(folder: Path) -> None:
    redraw(folder, png=True)
    names = {p.stem for p in (folder / "plots").glob("*.svg")}
    drawn = {p.stem: p.read_bytes() for p in (folder / "plots").glob("*.png")}
    assert drawn.keys() == names
    assert all(data.startswith(b"\x89PNG\r\n") for data in drawn.values())


def test_a_diverged_run_says_so(tmp_path: Path) -> None:
    config = {**SMALL, "optimizer": {"sgd": {"learning_rate": 1e30}}}
    made = nt.train(config, out=tmp_path / "run")
    assert made.status == "diverged"
    page = Parts((tmp_path / "run/report.html").read_text())
    assert "diverged" in page.said
    assert page.data["charts"]
    before = (tmp_path / "run/report.html").read_bytes()
    redraw(tmp_path / "run")
    assert (tmp_path / "run/report.html").read_bytes() == before
    assert dataclasses.is_dataclass(made.findings[0])
