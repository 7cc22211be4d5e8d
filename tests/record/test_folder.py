from __future__ import annotations

import json
import math
import os
import threading

import numpy as np
import pytest

from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.record.folder import (
    RunFolder,
    check_name,
    find_run,
    is_free,
    seeds_in,
)


def _begun(root, name="digits", **run):
    folder = RunFolder.create(name, root=root)
    with folder.lock():
        folder.write_json("run.json", {"format": 1, **run})
    return folder


def _tree(path):
    return {
        str(p.relative_to(path)): p.read_bytes() if p.is_file() else None
        for p in sorted(path.rglob("*"))
    }


# ---------------------------------------------------------------- coming to be


def test_default_folders_are_numbered_above_the_highest(tmp_path):
    assert RunFolder.create("digits", root=tmp_path).path == tmp_path / "digits" / "1"
    for other in ("7", "010", "x9", "-3"):
        (tmp_path / "digits" / other).mkdir()
    assert RunFolder.create("digits", root=tmp_path).path == tmp_path / "digits" / "8"


def test_default_root_is_runs_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RunFolder.create("digits")
    assert (tmp_path / "runs" / "digits" / "1").is_dir()


def test_numbers_claimed_at_the_same_time_differ(tmp_path):
    paths = []
    threads = [
        threading.Thread(
            target=lambda: paths.append(RunFolder.create("a", root=tmp_path).path)
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 8


def test_out_makes_the_folder_and_all_above_it(tmp_path):
    out = tmp_path / "a" / "b"
    folder = RunFolder.create("digits", out)
    with folder.lock():
        folder.write_json("run.json", {"format": 1})
    assert sorted(os.listdir(out)) == [".lock", "checkpoints", "plots", "run.json"]
    assert RunFolder.open(out).path == out


def test_out_with_a_run_is_refused_and_nothing_touched(tmp_path):
    folder = _begun(tmp_path)
    before = _tree(tmp_path)
    with pytest.raises(Error) as caught:
        RunFolder.create("digits", folder.path)
    assert caught.value.code == "run-exists"
    assert caught.value.exit_code == 4
    assert caught.value.fix == f"nettrain resume {folder.path}"
    assert _tree(tmp_path) == before


def test_half_made_run_is_taken_over_without_its_rows(tmp_path):
    out = tmp_path / "run"
    with RunFolder.create("digits", out).lock():
        pass
    for name in ("metrics.jsonl", "config.yaml", ".run.json.tmp", "events.jsonl"):
        (out / name).write_text("old")
    folder = RunFolder.create("digits", out)
    with folder.lock():
        assert not folder.metrics.exists()
        folder.write_json("run.json", {"format": 1})
    assert not (out / ".run.json.tmp").exists()


@pytest.mark.parametrize(
    "foreign",
    ["thesis.tex", "checkpoints/step-000000000001.safetensors", "plots/mine.svg"],
)
def test_folder_with_anything_else_is_refused_and_nothing_touched(tmp_path, foreign):
    (tmp_path / "metrics.jsonl").write_text("rows")
    (tmp_path / foreign).parent.mkdir(exist_ok=True)
    (tmp_path / foreign).write_text("precious")
    before = _tree(tmp_path)
    with pytest.raises(Error) as caught:
        RunFolder.create("digits", tmp_path)
    assert caught.value.code == "run-not-empty"
    assert foreign in caught.value.message
    assert _tree(tmp_path) == before


def test_out_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(Error) as caught:
        RunFolder.create("digits", tmp_path / "file")
    assert caught.value.exit_code == 4


def test_run_begun_by_another_between_create_and_lock_is_left_alone(tmp_path):
    mine, other = (RunFolder.create("digits", tmp_path / "run") for _ in range(2))
    with other.lock():
        other.write_json("run.json", {"format": 1})
        other.metrics.write_text("rows")
        with pytest.raises(Error) as caught, mine.lock():
            pass
        assert caught.value.code == "locked-run"
    with pytest.raises(Error) as caught, mine.lock():
        pass
    assert caught.value.code == "run-exists"
    assert other.metrics.read_text() == "rows"


def _gone(path):
    os.rename(path, path.with_name("moved"))


def _replaced(path):
    _gone(path)
    with RunFolder.create("digits", path).lock():
        pass


@pytest.mark.parametrize("happens", [_gone, _replaced])
def test_nothing_is_written_where_the_folder_was(tmp_path, happens):
    folder = RunFolder.create("digits", tmp_path / "run")
    folder.check_ours()
    with folder.lock():
        folder.write_json("run.json", {"format": 1})
        happens(folder.path)
        for write in (
            lambda: folder.write_json("run.json", {"format": 1}),
            lambda: folder.write_text("plots/cost.svg", ""),
            folder.check_ours,
        ):
            with pytest.raises(Error) as caught:
                write()
            assert caught.value.code == "run-gone"
    assert not (folder.path / "run.json").exists()
    assert not (folder.path / "plots/cost.svg").exists()


def test_a_removed_lock_file_does_not_end_its_holder(tmp_path):
    folder = RunFolder.create("digits", tmp_path / "run")
    with folder.lock():
        os.unlink(folder.path / ".lock")
        folder.check_ours()


def test_lock_can_be_taken_again_by_its_run(tmp_path):
    folder = _begun(tmp_path)
    folder.metrics.write_text("rows")
    with folder.lock():
        assert folder.metrics.read_text() == "rows"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../a", ".a", "-a", "a b", "ä", "a\n", "a" * 101]
)
def test_name_that_could_lead_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(Error) as caught:
        RunFolder.create(name, root=tmp_path)
    assert caught.value.exit_code == 2
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["a", "0", "digits-mlp_2.1", "a" * 100])
def test_ordinary_name_is_taken(name):
    assert check_name(name) == name


# ---------------------------------------------------------------- opening


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, "run-missing"),
        ("{", "run-damaged"),
        ("\udcff", "run-damaged"),
        ("[]", "run-damaged"),
        ("{}", "run-damaged"),
        ('{"format": 2}', "run-format"),
    ],
)
def test_what_is_no_run_of_this_format_cannot_be_opened(tmp_path, text, code):
    if text is not None:
        (tmp_path / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(Error) as caught:
        RunFolder.open(tmp_path)
    assert caught.value.code == code
    assert caught.value.exit_code == 4
    assert str(tmp_path) in caught.value.message


def test_folder_that_is_not_there_cannot_be_opened(tmp_path):
    with pytest.raises(Error) as caught:
        RunFolder.open(tmp_path / "nothing")
    assert caught.value.code == "run-missing"


# ---------------------------------------------------------------- whole files


def test_json_keeps_the_order_and_every_number(tmp_path):
    folder = _begun(tmp_path)
    value = {
        "z": 0.1,
        "a": [1, None, True, "ü \udcff"],
        "array": np.array([0.5, math.nan]),
        "measured": np.float64(math.inf),
    }
    path = folder.write_json("findings.json", value)
    text = path.read_text(encoding="utf-8")
    json.loads(text, parse_constant=pytest.fail)
    back = folder.read_json("findings.json")
    assert list(back) == list(value)
    assert back == {**value, "array": [0.5, "nan"], "measured": "inf"}
    assert "ü" in text


def test_text_and_pictures_are_written_in_their_places(tmp_path):
    folder = _begun(tmp_path)
    folder.write_text("config.yaml", "a: ü\n")
    assert folder.read_text("config.yaml") == "a: ü\n"
    assert folder.write("plots/cost.svg", b"<svg/>") == folder.path / "plots/cost.svg"


@pytest.mark.parametrize(
    "name",
    [
        "../run.json",
        "plots/../run.json",
        "plots/../../x",
        "plots/",
        "plots/.x",
        "/etc/passwd",
        "x",
        "metrics.jsonl",
        "checkpoints/step-000000000001.safetensors",
    ],
)
def test_no_other_name_is_written(tmp_path, name):
    folder = _begun(tmp_path)
    before = _tree(tmp_path)
    with pytest.raises(ValueError, match="no file of a run"):
        folder.write(name, b"")
    assert _tree(tmp_path) == before


def test_what_matters_is_flushed_and_what_can_be_drawn_again_is_not(
    tmp_path, trial_disk
):
    disk = trial_disk()
    folder = RunFolder.create("digits", tmp_path / "run", disk=disk)
    with folder.lock():
        folder.write("plots/cost.svg", b"")
        folder.write("report.html", b"")
        assert "fsync" not in [action for action, _ in disk.calls]
        folder.write_json("run.json", {"format": 1})
        assert ("fsync", ".run.json.tmp") in disk.calls


# ---------------------------------------------------------------- done already


def test_newest_finished_run_with_the_fingerprint_is_found(tmp_path):
    for fingerprint, status in [
        ("f", "finished"),
        ("f", "finished"),
        ("g", "finished"),
        ("f", "running"),
    ]:
        _begun(tmp_path, fingerprint=fingerprint, status=status)
    (tmp_path / "digits" / "9").mkdir()
    (tmp_path / "digits" / "9" / "run.json").write_text("{")
    assert find_run(tmp_path, "digits", "f").path == tmp_path / "digits" / "2"
    assert find_run(tmp_path, "digits", "h") is None
    assert find_run(tmp_path, "other", "f") is None
    half = find_run(tmp_path, "digits", "f", ("running", "interrupted"))
    assert half.path == tmp_path / "digits" / "4"


def test_runs_of_seeds_are_found_a_folder_deeper(tmp_path):
    for name in ("seed-10", "seed-9", "seed-x", "other"):
        (tmp_path / "digits/3" / name).mkdir(parents=True)
        run = {"format": 1, "fingerprint": name, "status": "finished"}
        (tmp_path / "digits/3" / name / "run.json").write_text(json.dumps(run))
    found = find_run(tmp_path, "digits", "seed-9")
    assert found.path == tmp_path / "digits/3/seed-9"
    assert find_run(tmp_path, "digits", "other") is None
    seeds = seeds_in(Disk(), tmp_path / "digits/3")
    assert [path.name for path in seeds] == ["seed-9", "seed-10"]


def test_where_a_run_can_begin(tmp_path):
    run = tmp_path / "run"
    assert is_free(Disk(), run)
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text("")
    assert is_free(Disk(), run)
    (run / "checkpoints/step-000000000001.safetensors").write_text("")
    assert not is_free(Disk(), run)
    assert not is_free(Disk(), run / "config.yaml")
    assert not is_free(Disk(), _begun(tmp_path).path)


# ---------------------------------------------------------------- hostile content


@pytest.mark.parametrize("inner", ["checkpoints", "plots"])
def test_linked_inner_folder_is_never_written_into(tmp_path, inner):
    folder = _begun(tmp_path / "runs")
    outside = tmp_path / "outside"
    (folder.path / inner).rename(outside)
    (folder.path / inner).symlink_to(outside)
    (outside / "step-000000000001.safetensors").write_bytes(b"mine")
    with pytest.raises(Error) as caught, RunFolder.open(folder.path).lock():
        pytest.fail("it was locked for writing")
    assert (caught.value.code, caught.value.exit_code) == ("run-link", 4)
    assert inner in caught.value.message
    assert (outside / "step-000000000001.safetensors").read_bytes() == b"mine"


def test_json_is_no_deeper_than_what_is_written(tmp_path):
    folder = _begun(tmp_path)
    deep = "[" * 60 + "]" * 60
    (folder.path / "findings.json").write_text(deep)
    with pytest.raises(Error, match="nested deeper than 50") as caught:
        folder.read_json("findings.json")
    assert caught.value.code == "run-damaged"


def test_text_that_utf8_has_not_is_written_all_the_same(tmp_path):
    folder = _begun(tmp_path)
    with folder.lock():
        path = folder.write_text("report.html", "caf\udce9")
    assert path.read_text() == "caf\\udce9"


def test_pictures_have_names_of_ours(tmp_path):
    folder = _begun(tmp_path)
    for name in ("cost.svg", "-rf.svg", "a b.svg", ".hidden.svg", "\x1b.svg"):
        (folder.path / "plots" / name).write_text("")
    assert folder.pictures() == ["cost.svg"]
    (folder.path / "plots/cost.svg").unlink()
    assert folder.pictures() == []
