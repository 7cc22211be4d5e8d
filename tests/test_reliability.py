"""The experiment on interrupted runs: its smoke on nettrain, and what it judges."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from experiments.reliability import damage, matrix, run, tracing, trainers
from experiments.reliability.matrix import Trial, Whole
from experiments.reliability.tracing import Call, Window
from experiments.reliability.trainers import NETTRAIN, Ended


def traces() -> bool:
    """Whether `strace` is there and may watch a process."""
    if shutil.which("strace") is None:
        return False
    watched = ["strace", "-f", "-o", "/dev/null", "true"]
    return subprocess.run(watched, capture_output=True).returncode == 0


# ---------------------------------------------------------------- the smoke


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> run.Result:
    if not traces():
        pytest.skip("strace cannot watch a process here")
    out = tmp_path_factory.mktemp("reliability")
    size = run.Size(kills=2, fills=1, flips=8, cuts=4)
    return run.measured(NETTRAIN, out, size, workers=2)


def test_nettrain_goes_on_bit_identically(result: run.Result) -> None:
    assert result.repeated
    blows = [trial.blow for trial in result.trials]
    assert blows == ["between", "kill", "kill", "full"]
    assert {trial.outcome for trial in result.trials} == {matrix.IDENTICAL}
    assert not any(trial.silent for trial in result.trials)
    first, last = (t for t in result.trials if t.blow == "kill")
    assert first.call == "write metrics.jsonl" and last.number == result.calls - 1
    # Killed before and after the fourth of six saves was there.
    assert "after epoch 3, made 240 updates" in first.why
    assert "after epoch 4, made 240 updates" in last.why


def test_nettrain_sees_every_damage(result: run.Result) -> None:
    assert result.damaged == {
        "flip": {damage.WENT_BACK: 8},
        "cut": {damage.WENT_BACK: 4},
    }


def test_results_are_told(result: run.Result) -> None:
    text = run.report([result])
    assert "| **goes on** | **2 of 2 (34 to 100 %)** |" in text
    assert "| **silently wrong** | **0 of 8 (0 to 32 %)** |" in text
    assert str(Path.home()) not in text


# ---------------------------------------------------------------- the parts


def test_a_trace_is_killed_where_it_was_told(tmp_path: Path) -> None:
    if not traces():
        pytest.skip("strace cannot watch a process here")
    code = "import os; [os.mkdir(str(i)) for i in range(4)]"
    command = [sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r}); {code}"]
    done, calls = tracing.traced(command, tmp_path, tmp_path / "log")
    made = [call for call in calls if call.name == "mkdir"]
    assert done.returncode == 0 and [call.number for call in made] == [1, 2, 3, 4]
    for i in range(4):
        (tmp_path / str(i)).rmdir()
    blows = tracing.kill(made[2])
    done, calls = tracing.traced(command, tmp_path, tmp_path / "log", blows)
    assert done.returncode != 0 and calls[-1].name == "mkdir"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


def trace(*texts: str) -> list[Call]:
    names = [text.partition("(")[0] for text in texts]
    numbers = [names[: i + 1].count(name) for i, name in enumerate(names)]
    return [Call(*parts) for parts in zip(names, numbers, texts, strict=True)]


def test_a_window_is_one_save() -> None:
    calls = trace(
        'mkdir("/t/marks/epoch-1")',
        'openat("/t/run/a")',
        'mkdir("/t/marks/epoch-2")',
        'openat("/elsewhere")',
        'openat("/t/run/a")',
        'rename("/t/tmp/b", "/t/run/b")',
    )
    watched = [Path("/t/run"), Path("/t/tmp")]
    first = Window.of(calls, "marks/epoch-", 1, watched)
    assert first.calls == (calls[1],) and first.ends == calls[2] and not first.last
    second = Window.of(calls, "marks/epoch-", 2, watched)
    assert second.calls == tuple(calls[4:]) and second.last
    assert Window.of(calls, "marks/epoch-", 3, watched).calls == ()


def test_a_disk_stays_full_whatever_call_writes() -> None:
    calls = trace("write(1)", "pwrite64(2)", "write(3)", "pwrite64(4)", "write(5)")
    blows = tracing.full(calls[2], calls)
    assert "?write:error=ENOSPC:when=2+" in blows
    assert "?pwrite64:error=ENOSPC:when=2+" in blows
    assert "?sendfile:error=ENOSPC:when=1+" in blows


def whole() -> Whole:
    window = Window((), None, False)
    return Whole(NETTRAIN, (), window, Ended(0, 240, "same"), repeated=True)


def test_a_blow_that_does_not_land_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.CompletedProcess([], 9)
    monkeypatch.setattr(tracing, "traced", lambda *_: (done, []))
    answers = [False, True]
    strike = (whole(), tmp_path / "trial", [])
    assert matrix._strike(*strike, lambda _: answers.pop(0)) == 9
    assert matrix._strike(*strike, lambda _: False) is None


@pytest.mark.parametrize(
    ("ended", "outcome"),
    [
        (Ended(3, 240, "same"), matrix.IDENTICAL),
        (Ended(3, 240, "other"), matrix.RESUMED),
        (Ended(3, 280, "other"), matrix.REPEATED),
        (Ended(2, 240, "same"), matrix.LOST),
        (Ended(0, 240, "same"), matrix.LOST),
    ],
)
def test_an_end_is_judged(ended: Ended, outcome: str) -> None:
    assert matrix._judged(whole(), ended, saved=3)[0] == outcome


def test_a_blow_that_missed_is_not_counted() -> None:
    outcomes = (matrix.RESUMED, matrix.MISSED, matrix.FAILED)
    trials = [Trial("kill", i, "write a", o, "") for i, o in enumerate(outcomes)]
    result = run.Result(NETTRAIN, True, 3, trials, {"flip": {}, "cut": {}}, 0.0)
    assert run.told(result.share("kill", matrix.RESUMED)) == "1 of 2 (9 to 91 %)"
    assert matrix.OUTCOMES[matrix.MISSED] in run.report([result])


def test_a_trial_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "kill-000.json"
    path.with_suffix("").mkdir()
    missed, trial = (
        Trial("kill", 0, "write a", outcome, "")
        for outcome in (matrix.MISSED, matrix.RESUMED)
    )
    assert matrix.kept(path, lambda: missed) == missed
    assert matrix.kept(path, lambda: trial) == trial
    assert list(tmp_path.iterdir()) == [path]
    assert matrix.kept(path, lambda: pytest.fail("made again")) == trial


def test_damage_is_everywhere_and_cuts_begin_at_the_edges(tmp_path: Path) -> None:
    found = damage.cases([100, 10], flips=300, cuts=5)
    flips = [case for case in found if case.kind == "flip"]
    assert {(case.file, case.at // 8) for case in flips} <= {
        *((0, byte) for byte in range(100)),
        *((1, byte) for byte in range(10)),
    }
    assert 10 <= sum(case.file == 1 for case in flips) <= 50
    cuts = [case for case in found if case.kind == "cut"]
    assert [case.at for case in cuts[:2]] == [0, 99] and len(cuts) == 5
    path = tmp_path / "file"
    for case, data in (
        (damage.Case("flip", 0, 9), b"\0\2\0"),
        (damage.Case("cut", 0, 1), b"\0"),
    ):
        path.write_bytes(bytes(3))
        damage.harm(path, case)
        assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("many", "chosen"),
    [(None, range(10)), (20, range(10)), (2, [0, 9]), (4, [0, 3, 6, 9]), (1, [0])],
)
def test_a_sample_is_spread_evenly(many: int | None, chosen: Sequence[int]) -> None:
    assert matrix.spread(range(10), many) == list(chosen)


def test_errors_are_told_without_a_path_of_the_machine() -> None:
    lines = ["Traceback", "OSError: cannot open '/a/b/latest.h5'", "  see above"]
    assert matrix._reason(lines) == "OSError: cannot open 'latest.h5'"


def test_what_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = {"keras", "lightning"}
    find = trainers.importlib.util.find_spec
    monkeypatch.setattr(
        trainers.importlib.util, "find_spec", lambda n: None if n in absent else find(n)
    )
    found, lacking = trainers.chosen(["nettrain", "lightning"])
    assert found == [NETTRAIN] and "lightning left out: lightning" in lacking[0]
