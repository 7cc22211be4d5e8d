"""Every config in configs/ runs and gives what its comment says.

The comment ends in a sentence such as these:

    Expected: test/accuracy 0.97; findings: none.
    Expected: test/loss below 0.05 (0.001 to 0.002 over three seeds); findings: none.
    Expected: findings: none; note: I2 (initial-loss).
    Expected: findings: U1 (underfit), a warning, and with it L4. Mended by no patch.
    Expected: findings: G2 (…), an error. Mended: train/loss 66 to 0.004.
    Expected: check --probe: P3 (wrong-gradient), an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import nettrain as nt
from nettrain.cli import plugin
from nettrain.component import family, registered
from nettrain.diagnose import Finding
from nettrain.diagnose.detector import Detector
from nettrain.experiment.api import Fit, fitted
from nettrain.experiment.load import Run
from nettrain.experiment.setup import set_up
from nettrain.experiment.trial import trial

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(
    p for p in (ROOT / "configs").rglob("*.yaml") if p.parent.name != "sweeps"
)
SICK = ROOT / "configs" / "sick"


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def comment(path: Path) -> str:
    """The comment at the top, on one line."""
    lines = path.read_text("utf-8").splitlines()
    head = lines[: next(i for i, line in enumerate(lines) if line[:1] != "#")]
    return " ".join(line.removeprefix("#").strip() for line in head)


def expected(path: Path) -> str:
    """What follows `Expected: ` in it."""
    found = re.search(r"Expected: (.*)", comment(path))
    assert found, f"{path} does not say what to expect"
    return found[1]


QUICK = ("diabetes", "mlp", "moons", "wine")
"""Healthy configs that are trained every day; others are only run shortened then, by
`test_every_stop`."""


def each(paths: list[Path]) -> list[Any]:
    """A test of every config; of some only where there is time."""
    marks = {
        p: () if p.parent == SICK or p.stem in QUICK else pytest.mark.long
        for p in paths
    }
    return [pytest.param(p, id=name(p), marks=marks[p]) for p in paths]


RUNNABLE = [path for path in CONFIGS if "findings: " in expected(path)]
ILL = [path for path in RUNNABLE if "findings: none" not in expected(path)]
MENDED = [path for path in ILL if "by no patch" not in expected(path)]
PROBED = [path for path in CONFIGS if "--probe: " in expected(path)]


Trained = Callable[[Path], Run]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Runs of configs, each trained once."""
    runs = tmp_path_factory.mktemp("runs")

    @cache
    def train(path: Path) -> Run:
        return nt.train(path, out=runs / f"{path.parent.name}-{path.stem}")

    return train


def serious(findings: Any) -> list[Finding]:
    return [finding for finding in findings if finding.severity != "note"]


def primary(findings: Any) -> Finding:
    (found,) = [finding for finding in findings if finding.primary]
    return found


def mended(path: Path, finding: Finding) -> Fit:
    """The config with the finding's patch, trained in memory."""
    patch = [edit.to_json() for edit in finding.remedy.patch] if finding.remedy else []
    return fitted(set_up({"extends": str(path), "patch": patch}))


# ---------------------------------------------------------------- healthy and sick


@pytest.mark.parametrize("path", each(RUNNABLE))
def test_a_config_gives_what_it_promises(path: Path, trained: Trained) -> None:
    promise, run = expected(path), trained(path)
    if metric := re.match(r"(test/\w+) (above |below |)([\d.]+)", promise):
        got, said = run.summary[metric[1]], float(metric[3])
        assert got <= said if metric[2] == "below " else got >= said - 0.02
    for id_, title in re.findall(r"note: (\w+) \(([\w-]+)\)", promise):
        noted = [(f.id, f.name) for f in run.findings if f.severity == "note"]
        assert (id_, title) in noted
    if path not in ILL:
        assert serious(run.findings) == []
        return
    told = re.search(r"findings: (\w+) \(([\w-]+)\), an? (\w+)", promise)
    assert told
    first = primary(run.findings)
    assert (first.id, first.name, first.severity) == told.groups()
    along = re.search(r"and with it ([^.]*)", promise)
    others = along[1].split(", ") if along else []
    assert set(others) <= {finding.id for finding in serious(run.findings)}


@pytest.mark.long
def test_the_mean_of_five_networks_that_read_digits(tmp_path: Path) -> None:
    path = ROOT / "configs" / "cnn.yaml"
    runs = [
        nt.train(path, out=tmp_path / str(seed), overrides=[f"seed={seed}"])
        for seed in range(5)
    ]
    assert sum(run.summary["test/accuracy"] for run in runs) / 5 >= 0.985


@pytest.mark.long
def test_another_layer_with_gates_adds_too(tmp_path: Path) -> None:
    path, gates = ROOT / "configs" / "adding-lstm.yaml", "model.lstm1={gru: 64}"
    run = nt.train(path, out=tmp_path / "run", overrides=[gates])
    assert run.summary["test/loss"] < 0.05


def test_every_detector_has_a_sick_config() -> None:
    told = " ".join(expected(path) for path in CONFIGS if path.parent == SICK)
    shown = re.findall(r"(?:findings|note|--probe): (\w+) \(|with it (\w+)", told)
    assert {a or b for a, b in shown} == set(registered(Detector))


@pytest.mark.parametrize(
    "path", [p for p in CONFIGS if p.parent == SICK], ids=lambda p: p.stem
)
def test_a_sick_config_explains_itself(path: Path) -> None:
    told = comment(path)
    heads = ["Sick", "Symptom", "Cause", "Picture", "Cure", "Expected"]
    assert [h for h in re.findall(r"(\w+): ", told) if h in heads] == heads
    text = (SICK / "README.md").read_text("utf-8")
    assert f"({path.name})" in text


@pytest.mark.parametrize("path", each(ILL))
def test_a_run_has_the_picture_of_its_comment(path: Path, trained: Trained) -> None:
    told = set(re.findall(r"plots/([\w-]+\.svg)", comment(path)))
    assert told
    assert told <= {
        picture.name for picture in (trained(path).path / "plots").iterdir()
    }


# ---------------------------------------------------------------- patches


@pytest.mark.parametrize("path", each(MENDED))
def test_the_patch_of_the_primary_finding_mends_it(
    path: Path, trained: Trained
) -> None:
    sick = trained(path)
    finding = primary(sick.findings)
    assert finding.remedy and finding.remedy.patch
    run = mended(path, finding)
    assert finding.id not in [f.id for f in serious(run.findings)]
    told = re.search(r"Mended: (\w+/\w+) (?:([\d.]+) to )?([\d.]+)\.", expected(path))
    assert told
    after, got = float(told[3]), run.summary["last"][told[1]]
    if told[2] is None:
        assert got >= after - 0.02
        return
    before = float(told[2])
    assert 0.5 < sick.summary["last"][told[1]] / before < 2
    # At least half of the way from what was to what is promised.
    assert (got - before) / (after - before) >= 0.5


@pytest.mark.parametrize("path", [p for p in ILL if p not in MENDED], ids=name)
def test_what_no_setting_can_mend_is_not_mended(path: Path, trained: Trained) -> None:
    finding = primary(trained(path).findings)
    if finding.remedy and finding.remedy.patch:
        assert finding.id in [f.id for f in mended(path, finding).findings]


# ---------------------------------------------------------------- before training


@pytest.fixture
def _plugins() -> Iterator[None]:
    """What plugins registered is gone after the test."""
    before = set(family._REGISTRY)
    yield
    for new in set(family._REGISTRY) - before:
        family.forget(new)


@pytest.mark.usefixtures("_plugins")
@pytest.mark.parametrize("path", PROBED, ids=name)
def test_a_wrong_derivative_is_found_by_the_probe(path: Path) -> None:
    told = re.search(r"--probe: (\w+) \(([\w-]+)\), an? (\w+)", expected(path))
    asked = re.search(r"--plugin configs/(\S+) (\S+=\S+)", comment(path))
    assert told and asked
    plugin.load([str(ROOT / "configs" / asked[1])])
    (found,) = trial(set_up(path, [asked[2]])).findings
    assert (found.id, found.name, found.severity) == told.groups()
    assert serious(trial(set_up(path)).findings) == []
