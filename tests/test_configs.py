"""Every config in configs/ runs and gives what its comment says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nettrain as nt

CONFIGS = sorted((Path(__file__).parents[1] / "configs").rglob("*.yaml"))
RUNNABLE = [path for path in CONFIGS if "\nbase:" not in path.read_text("utf-8")]


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def expected(path: Path) -> str:
    """The sentence `Expected: …` of the comment at the top, on one line."""
    comment = [
        line.removeprefix("#").strip()
        for line in path.read_text("utf-8").splitlines()
        if line.startswith("#")
    ]
    found = re.search(r"Expected: (.*)", " ".join(comment))
    assert found, f"{path} does not say what to expect"
    return found[1]


@pytest.mark.parametrize("path", RUNNABLE, ids=name)
def test_a_config_gives_what_it_promises(path: Path, tmp_path: Path) -> None:
    promise = expected(path)
    run = nt.train(path, out=tmp_path / "run")
    serious = [f for f in run.findings if f.severity != "note"]
    primary = [f.id for f in serious if f.primary]
    wanted = re.search(r"findings: (\w+)", promise)
    assert wanted
    assert primary == ([] if wanted[1] == "none" else [wanted[1]])
    assert len(serious) == 0 or wanted[1] != "none"
    metric = re.match(r"(test/\w+) ([\d.]+)", promise)
    if metric:
        floor = float(metric[2]) - 0.02
        assert run.summary[metric[1]] >= floor
    assert (wanted[1] == "none") == (path.parent.name != "sick")


@pytest.mark.parametrize(
    "path", [p for p in RUNNABLE if p.parent.name == "sick"], ids=name
)
def test_the_patch_of_the_primary_finding_mends_it(path: Path, tmp_path: Path) -> None:
    sick = nt.train(path, out=tmp_path / "sick")
    (finding,) = [f for f in sick.findings if f.primary]
    assert finding.remedy and finding.remedy.patch
    patch = [edit.to_json() for edit in finding.remedy.patch]
    mended = nt.train({"extends": str(path), "patch": patch}, out=tmp_path / "mended")
    assert finding.id not in [f.id for f in mended.findings if f.severity == "error"]
    assert mended.summary["last"]["train/loss"] < sick.summary["last"]["train/loss"]
