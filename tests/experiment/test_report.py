"""report.html: written with the run, the same whenever it is written again."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

import nettrain as nt
from nettrain.errors import Error
from nettrain.experiment.report import redraw
from nettrain.experiment.run import run
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
    first = [levels[0] for levels in page.data["graph"]["healths_then"].values()]
    assert (min(first), max(first)) == (0, 4)


def test_without_its_data_a_page_has_everything_but_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table, config = tmp_path / "table.csv", tmp_path / "config.yaml"
    table.write_text(TABLE)
    config.write_text(REGRESSION)
    path = run(config, out=tmp_path / "run").folder.path
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
    monkeypatch.chdir(tmp_path)
    table, config = tmp_path / "table.csv", tmp_path / "config.yaml"
    table.write_text(TABLE)
    config.write_text(REGRESSION)
    path = run(config, out=tmp_path / "run").folder.path
    table.write_text(TABLE.replace("8,1,25", "8,1,26"))
    assert Parts(redraw(path).read_text()).data["graph"] is None


def test_a_run_that_has_not_ended_has_no_page(folder: Path) -> None:
    facts = json.loads((folder / "run.json").read_text())
    facts = {k: v for k, v in facts.items() if k != "summary"} | {"status": "running"}
    (folder / "run.json").write_text(json.dumps(facts))
    before = (folder / "report.html").read_bytes()
    with pytest.raises(Error, match="nettrain resume"):
        redraw(folder)
    assert (folder / "report.html").read_bytes() == before


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
