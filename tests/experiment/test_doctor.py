"""What the doctor reads of a run, and the config it writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import nettrain as nt
from nettrain.config import resolve
from nettrain.diagnose.finding import Edit, Finding, Remedy
from nettrain.errors import Error
from nettrain.experiment import doctor
from nettrain.experiment.load import Run, load_run
from nettrain.experiment.run import run as train
from nettrain.experiment.schema import Experiment
from tests.experiment.conftest import SMALL, Write

TEXT = """\
data:
  source: iris
model:
  - dense: {units: 8, activation: relu}  # hidden
  - dense: 3
loss: cross_entropy
train: {epochs: 1}
"""
RELU = Edit("model.dense1.activation", "relu")


def finding(**changes: object) -> Finding:
    return Finding(
        **{"id": "G1", "name": "x", "severity": "error", "why": ""} | changes
    )  # type: ignore[arg-type]


@pytest.fixture
def run(write: Write, only_graphs: None) -> Run:
    """A run of a file in the working directory."""
    write(TEXT)
    train("config.yaml", out="run")
    return load_run("run")


# ---------------------------------------------------------------- what it reads


def test_notes_are_healthy_and_patches_keep_their_order() -> None:
    patched = Remedy("x", (RELU,))
    note = finding(id="O3", severity="note", remedy=patched)
    cause, bare = finding(primary=True, remedy=patched), finding(id="L4")
    later = finding(id="A1", severity="warning", remedy=patched)
    assert doctor.serious([note]) == []
    found = [cause, bare, later, note]
    assert doctor.serious(found) == [cause, bare, later]
    assert doctor.patches(found) == [(cause, (RELU,)), (later, (RELU,))]


def test_the_config_line_is_quoted_with_a_caret_under_what_is_written(
    run: Run,
) -> None:
    line, caret = doctor.excerpt(run, finding(config_line=4)).splitlines()
    assert line.endswith("4 |   - dense: {units: 8, activation: relu}  # hidden")
    assert caret.index("^") == line.index("dense")
    assert caret.rindex("^") == line.index("}")


def test_it_is_quoted_as_it_was(run: Run) -> None:
    Path("config.yaml").unlink()
    assert "dense: 3" in doctor.excerpt(run, finding(config_line=5))


@pytest.mark.parametrize("line", [None, 0, 99])
def test_no_line_no_quotation(run: Run, line: int | None) -> None:
    assert doctor.excerpt(run, finding(config_line=line)) == ""


@pytest.mark.parametrize(
    ("overrides", "status", "code"),
    [
        ([], "running", "run-unfinished"),
        ([], "interrupted", "run-unfinished"),
        ([], "failed", "run-unfinished"),
        (["diagnose=false"], "finished", "run-undiagnosed"),
    ],
)
def test_a_run_without_a_verdict_is_not_called_healthy(
    write: Write, only_graphs: None, overrides: list[str], status: str, code: str
) -> None:
    write(TEXT)
    train("config.yaml", overrides, out="run")
    run = load_run("run")
    run.status = status
    with pytest.raises(Error) as caught:
        doctor.check_diagnosed(run)
    assert (caught.value.code, caught.value.exit_code) == (code, 4)


@pytest.mark.parametrize("status", ["finished", "diverged"])
def test_a_run_that_is_over_has_one(run: Run, status: str) -> None:
    run.status = status
    doctor.check_diagnosed(run)


# ---------------------------------------------------------------- what it extends


def test_the_config_that_was_given_is_extended(run: Run) -> None:
    assert doctor.base(run) == "config.yaml"


def test_overrides_are_not_lost(write: Write, only_graphs: None) -> None:
    write(TEXT)
    train("config.yaml", ["seed=7"], out="run")
    assert doctor.base(load_run("run")) == os.path.join("run", doctor.RESOLVED)


@pytest.mark.parametrize("change", ["moved", "changed", "broken"])
def test_a_config_that_says_something_else_now_is_not_extended(
    run: Run, write: Write, change: str
) -> None:
    if change == "moved":
        Path("config.yaml").rename("other.yaml")
    else:
        write(TEXT.replace("3\n", "2\n" if change == "broken" else "auto\n"))
    assert doctor.base(run) == os.path.join("run", doctor.RESOLVED)


def test_a_change_of_no_value_is_none(run: Run, write: Write) -> None:
    write(TEXT + "# a comment\n")
    assert doctor.base(run) == "config.yaml"


def test_a_mapping_has_no_file(
    tmp_path: Path, only_graphs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = nt.train(SMALL, out="run")
    assert doctor.base(run) == os.path.join("run", doctor.RESOLVED)
    assert doctor.excerpt(run, finding(config_line=1)) == ""


# ---------------------------------------------------------------- what it writes


@pytest.mark.parametrize("folder", [".", "deep/er", "link"])
def test_the_mended_config_is_read_from_wherever_it_stands(
    run: Run, folder: str
) -> None:
    Path("deep/er").mkdir(parents=True)
    Path("link").symlink_to("deep/er")
    path = Path(folder) / "new.yaml"
    patch = [
        Edit("model.dense1.activation", "tanh"),
        Edit("model.1", "layer_norm", "insert"),
    ]
    path.write_text(doctor.mended("config.yaml", patch, path, "cures\n  G1"))
    built = resolve(path, schema=Experiment).build()
    assert [layer.registered_name for layer in built.model] == [
        "dense",
        "layer_norm",
        "dense",
    ]
    assert built.model[0].activation.registered_name == "tanh"
    assert path.read_text().startswith("# cures?  G1\nextends: ")


def test_so_is_the_same_as_a_mapping(run: Run) -> None:
    mapping = doctor.source("config.yaml", [Edit("train.epochs", 3)])
    os.chdir("/")
    assert resolve(mapping, schema=Experiment).build().train.epochs == 3


def test_a_file_that_is_there_is_left_alone(run: Run) -> None:
    doctor.check_free(Path("new.yaml"))
    with pytest.raises(Error) as caught:
        doctor.check_free(Path("config.yaml"))
    assert (caught.value.code, caught.value.exit_code) == ("run-file-exists", 4)
    with pytest.raises(Error, match="there is no folder nodir/deep") as caught:
        doctor.check_free(Path("nodir/deep/new.yaml"))
    assert (caught.value.code, caught.value.exit_code) == ("disk-missing", 6)
