"""`nettrain run CONFIG --seeds N`: what is trained, where, and what is shown of it."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nettrain.cli import seeds
from nettrain.cli.main import main
from nettrain.cli.seeds import over_seeds
from nettrain.disk import Disk
from nettrain.record import lock
from nettrain.selftest.kills import content
from nettrain.study.compare import Comparison
from nettrain.training.network import Network
from tests.cli.conftest import Answer, Call, write_project
from tests.show.test_page import Parts

SHORT = ("run", "config.yaml", "train.epochs=1", "diagnose=false")
MADE = Path("runs/flowers")


def seed(run: Path) -> int:
    return int(json.loads((run / "run.json").read_text())["seed"])


def names(folder: Path) -> list[str]:
    """What is in it, but the lock, which is there for good."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def say(run: Path, **facts: Any) -> None:
    """Have run.json say something else."""
    known = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(known | facts))


def told(answer: Answer) -> list[str]:
    """What is said of each seed."""
    return re.findall("(?m)^seed .*$", answer.out)


def test_seeds(call: Call, folder: Path) -> None:
    command = ["run", "seed=5", "--seeds", 2, "--out", "made", "train.epochs=1"]
    answer = call(command[0], "config.yaml", *command[1:])
    assert answer.code == 0
    assert [seed(folder / f"made/seed-{n}") for n in (5, 6)] == [5, 6]
    head, *rows = answer.out.split("\n\n")[1].splitlines()
    assert head.split() == ["mean", "±", "95", "%", "seed", "5", "seed", "6"]
    cells = [re.split(r" {2,}", row) for row in rows]
    accuracy = next(row for row in cells if row[0] == "test/accuracy")
    values = [
        json.loads((folder / f"made/seed-{n}/run.json").read_text())["summary"]
        for n in (5, 6)
    ]
    expected = [value["test/accuracy"] for value in values]
    assert [float(v) for v in accuracy[3:]] == pytest.approx(expected, rel=1e-3)
    assert float(accuracy[1]) == pytest.approx(sum(expected) / 2, rel=1e-3)
    assert answer.out.endswith("\nwritten to made/report.html\n")
    page = Parts((folder / "made/report.html").read_text())
    assert all("low" in s for chart in page.data["charts"] for s in chart["series"])


def test_seeds_do_not_write_into_a_run(call: Call, trained: Path) -> None:
    before = (trained / "report.html").read_bytes()
    answer = call("run", trained.parent / "config.yaml", "--seeds", 2, "--out", trained)
    assert (answer.code, answer.out) == (4, "")
    assert (trained / "report.html").read_bytes() == before
    assert not (trained / "seed-0").exists()


def test_seeds_that_are_done_are_not_repeated(call: Call, folder: Path) -> None:
    command = ["run", "config.yaml", "train.epochs=1", "diagnose=false"]
    assert call(*command, "seed=1").code == 0
    answer = call(*command, "--seeds", 2)
    assert answer.code == 0
    assert "seed 1  runs/flowers/1  finished before\n" in answer.out
    made = folder / "runs/flowers"
    assert names(made) == ["1", "2"]
    assert names(made / "2") == ["report.html", "seed-0"]
    again = call(*command, "--seeds", 2)
    assert "seed 0  runs/flowers/2/seed-0  finished before\n" in again.out
    assert again.out.endswith("\nwritten to runs/flowers/2/report.html\n")
    assert names(made) == ["1", "2"]
    assert call(*command, "seed=0").out.startswith("runs/flowers/2/seed-0 is this run")
    assert call(*command, "--seeds", 2, "--again").code == 0
    assert len(names(made / "3")) == 3
    answer = call(*command, "--seeds", 2, "--out", "elsewhere")
    assert "before" not in answer.out
    assert len(names(folder / "elsewhere")) == 3


def test_seeds_that_were_runs_of_their_own(call: Call, folder: Path) -> None:
    command = ["run", "config.yaml", "train.epochs=1", "diagnose=false"]
    assert [call(*command, f"seed={n}").code for n in (0, 1)] == [0, 0]
    answer = call(*command, "--seeds", 2)
    assert (answer.code, answer.out.count("finished before")) == (0, 2)
    assert "written" not in answer.out
    assert names(folder / "runs/flowers") == ["1", "2"]


def test_seeds_go_on_where_they_were_broken_off(call: Call, folder: Path) -> None:
    command = ["run", "config.yaml", "train.epochs=2", "diagnose=false"]
    assert call(*command, "--seeds", 3).code == 0
    made = folder / "runs/flowers/1"
    before = [(made / f"seed-{n}/metrics.jsonl").read_bytes() for n in range(3)]
    (made / "seed-2").rename(folder / "else")
    facts = json.loads((made / "seed-1/run.json").read_text())
    del facts["summary"]
    facts["status"] = "running"  # as kill -9 leaves it
    (made / "seed-1/run.json").write_text(json.dumps(facts))
    (made / "seed-1/metrics.jsonl").write_bytes(before[1].splitlines(True)[0])
    answer = call(*command, "--seeds", 3)
    assert answer.code == 0
    assert "seed 0  runs/flowers/1/seed-0  finished before\n" in answer.out
    assert "seed 1  runs/flowers/1/seed-1  finished\n" in answer.out
    assert "seed 2  runs/flowers/1/seed-2  finished\n" in answer.out
    after = [(made / f"seed-{n}/metrics.jsonl").read_bytes() for n in range(3)]
    assert after == before


def test_seeds_of_which_one_diverges(call: Call, folder: Path) -> None:
    rate = "optimizer.adam.learning_rate=1e30"
    answer = call("run", "config.yaml", "--seeds=2", rate, "diagnose=false")
    assert answer.code == 7
    assert "diverged with seed 0, 1" in answer.err
    assert names(folder / "runs/flowers/1") == ["report.html", "seed-0", "seed-1"]
    assert "not finished" in (folder / "runs/flowers/1/report.html").read_text()


def test_a_metric_that_one_seed_lacks(call: Call, folder: Path) -> None:
    command = [
        "run",
        "config.yaml",
        "train.epochs=1",
        "diagnose=false",
        "--out",
        "made",
    ]
    assert call(*command, "--seeds", 2).code == 0
    facts = json.loads((folder / "made/seed-1/run.json").read_text())
    del facts["summary"]["test/loss"]
    (folder / "made/seed-1/run.json").write_text(json.dumps(facts))
    (group,) = Comparison.of(["made"]).groups
    rows = {row[0]: row[1:] for row in over_seeds(group)}
    assert rows["test/loss"][1] == rows["test/loss"][3] == "–"


def test_seeds_that_draw_their_data_are_one_config(call: Call, folder: Path) -> None:
    """Paired by seed with another config, as their rows are the same."""
    few = "data.source={moons: {samples: 60}}", "data.split={test: 0.3}"
    few = (*few, "model.dense2=1", "loss=binary_cross_entropy", "train.epochs=1")
    text = (folder / "config.yaml").read_text().replace("  target: kind\n", "")
    (folder / "moons.yaml").write_text(text.replace("dense: auto", "dense: 1"))
    few = tuple(one for one in few if not one.startswith("model"))
    command = ["run", "moons.yaml", *few, "diagnose=false", "--seeds", "2"]
    answer = call(*command, "--out", "one")
    assert answer.code == 0 and "nan" not in answer.out
    assert answer.out.count("seed 0  seed 1") == 1
    assert call(*command, "optimizer.adam.learning_rate=0.1", "--out", "two").code == 0
    found = Comparison.of(["one", "two"])
    assert [group.seeds for group in found.groups] == [[0, 1], [0, 1]]
    assert found.rivals["test/loss"][found.groups[0]].apart.n == 2
    assert not [note for note in found.notes() if "different data" in note]
    (answer,) = [call(*command[:-1], "1", "--out", "single")]
    assert re.search(r"test/loss +[\d.]+ +– +[\d.]+\n", answer.out)


# ---------------------------------------------------------------- gone on with


@pytest.fixture(name="project", scope="module")
def _project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which three seeds are trained; the fingerprint knows its folder."""
    folder = tmp_path_factory.mktemp("project")
    write_project(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([*SHORT, "--seeds", "3"]) == 0
    shutil.copytree(folder / "runs", folder / "kept")
    return folder


@pytest.fixture(name="three")
def _three(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of these three, as new, in the working folder."""
    shutil.rmtree(project / "runs", ignore_errors=True)
    shutil.copytree(project / "kept", project / "runs")
    monkeypatch.chdir(project)
    return MADE / "1"


def begun_no_more(run: Path) -> None:
    """Leave of a run what there is when it is killed before run.json is written."""
    for path in run.iterdir():
        if path.name not in ("config.yaml", ".lock"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_what_diverged_is_not_trained_anew(call: Call, folder: Path) -> None:
    rate = "optimizer.adam.learning_rate=1e30"
    command = ["run", "config.yaml", "train.epochs=1", "diagnose=false", rate]
    assert call(*command, "--seeds", 1).code == 7
    before = (MADE / "1/seed-0/events.jsonl").read_bytes()
    answer = call(*command, "--seeds", 2)
    assert told(answer) == [
        "seed 0  runs/flowers/1/seed-0  diverged before",
        "seed 1  runs/flowers/1/seed-1  diverged",
    ]
    assert (answer.code, answer.err.splitlines()[-1]) == (
        7,
        "error[diverged-run] the run diverged with seed 0, 1",
    )
    assert names(MADE) == ["1"]
    assert (MADE / "1/seed-0/events.jsonl").read_bytes() == before
    again = call(*command, "--seeds", 1, "--again")
    assert told(again) == ["seed 0  runs/flowers/2/seed-0  diverged"]
    assert call(*command, "seed=0").code == 7  # a run of its own is trained anew
    assert names(MADE) == ["1", "2", "3"]


def test_what_failed_goes_on_in_its_folder(call: Call, three: Path) -> None:
    say(three / "seed-1", status="failed", reason="disk full")
    assert told(call(*SHORT, "--seeds", 3))[1:] == [
        "seed 1  runs/flowers/1/seed-1  finished",
        "seed 2  runs/flowers/1/seed-2  finished before",
    ]
    assert names(MADE) == ["1"]


def test_a_missing_resolved_config_is_written_again(call: Call, three: Path) -> None:
    before = content(three / "seed-1")
    say(three / "seed-1", status="running")
    (three / "seed-1/config.resolved.yaml").unlink()
    answer = call(*SHORT, "--seeds", 3)
    assert (answer.code, told(answer)[1]) == (
        0,
        "seed 1  runs/flowers/1/seed-1  finished",
    )
    assert content(three / "seed-1") == before


@pytest.mark.parametrize("begun", [(), (0,)], ids=str)
def test_a_half_made_run_is_taken_over(
    call: Call, three: Path, begun: tuple[int, ...]
) -> None:
    before = [content(three / f"seed-{n}") for n in range(2)]
    shutil.rmtree(three / "seed-2")
    (three / "report.html").unlink()
    for number in {0, 1} - {*begun}:
        begun_no_more(three / f"seed-{number}")
    answer = call(*SHORT, "--seeds", 2)
    assert answer.code == 0
    assert [line.split()[-1] for line in told(answer)] == [
        "before" if n in begun else "finished" for n in range(2)
    ]
    assert names(MADE) == ["1"]
    assert [content(three / f"seed-{n}") for n in range(2)] == before


@pytest.mark.parametrize("where", ["1/notes.txt", "1/seed-0/notes.txt"])
def test_what_holds_anything_else_is_left_alone(
    call: Call, three: Path, where: str
) -> None:
    for number in range(3):
        begun_no_more(three / f"seed-{number}")
    (three / "report.html").unlink()
    (MADE / where).write_text("mine")
    before = sorted(three.rglob("*"))
    answer = call(*SHORT, "--seeds", 1)
    assert told(answer) == ["seed 0  runs/flowers/2/seed-0  finished"]
    assert sorted(three.rglob("*")) == before


def test_a_damaged_run_is_left_alone(call: Call, three: Path) -> None:
    (three / "seed-1/run.json").write_text("{")
    answer = call(*SHORT, "--seeds", 3)
    assert told(answer) == [
        "seed 0  runs/flowers/1/seed-0  finished before",
        "seed 1  runs/flowers/2/seed-1  finished",
        "seed 2  runs/flowers/1/seed-2  finished before",
    ]
    assert (three / "seed-1/run.json").read_text() == "{"
    assert "seed 1  runs/flowers/2/seed-1  finished before" in told(
        call(*SHORT, "--seeds", 3)
    )


def test_another_config_has_another_folder(call: Call, three: Path) -> None:
    """Though there is room in this one."""
    shutil.rmtree(three / "seed-0")
    answer = call(*SHORT, "--seeds", 1, "data.batch_size=8")
    assert told(answer) == ["seed 0  runs/flowers/2/seed-0  finished"]


def killed_at(action: str, name: str, *words: str) -> None:
    """A command that dies of SIGKILL before the first such call on such a file."""

    def child() -> None:
        system = Disk.system

        def mortal(self: Disk, done: str, path: Path, *more: Any) -> Any:
            if done == action and str(path).endswith(name):
                os.kill(os.getpid(), signal.SIGKILL)
            return system(self, done, path, *more)

        Disk.system = mortal  # type: ignore[method-assign,assignment]
        main(list(words))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("action", "name"),
    [
        ("open", "flowers/1/.lock"),
        ("create", "seed-0/.config.yaml.tmp"),
        ("rename", "seed-0/run.json"),
        ("rename", "seed-1/config.resolved.yaml"),
        ("rename", "seed-1/findings.json"),
        ("rename", "1/report.html"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_killed_at_any_moment_the_same_command_comes_to_the_same(
    call: Call, three: Path, action: str, name: str
) -> None:
    runs = [f"seed-{n}" for n in range(3)]
    before = [content(three / run) for run in runs]
    page = (three / "report.html").read_bytes()
    shutil.rmtree(MADE)
    killed_at(action, name, *SHORT, "--seeds", "3")
    assert call(*SHORT, "--seeds", 3).code == 0
    assert names(MADE) == ["1"]
    assert names(three) == ["report.html", *runs]
    assert [content(three / run) for run in runs] == before
    assert (three / "report.html").read_bytes() == page


@pytest.mark.parametrize(
    ("more", "last"),
    [
        ((), "or the same command, which goes on with all of it"),
        (("--out", "made"), "then seed=1 --seeds 2 trains the rest"),
        (("--out", "made", "--seeds", "1"), "nettrain resume made/seed-0"),
        (("--again",), "nettrain resume runs/flowers/1/seed-0"),
    ],
    ids=str,
)
def test_interrupted_it_says_how_to_go_on(
    call: Call,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
    last: str,
) -> None:
    def train(*given: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return real(*given)

    real = Network.train
    monkeypatch.setattr(Network, "train", train)
    answer = call(*SHORT, "--seeds", 3, *more)
    assert answer.code == 130
    assert answer.err.endswith(f"\n  {last}\n")


# ---------------------------------------------------------------- the page


def test_the_page_shows_no_less_than_before(call: Call, three: Path) -> None:
    page = (three / "report.html").read_bytes()
    for part, first in ((1, 0), (2, 1)):
        (three / "report.html").unlink()
        answer = call(*SHORT, "--seeds", part, f"seed={first}")
        assert answer.code == 0
        assert (three / "report.html").read_bytes() == page
        assert answer.out.endswith(
            "\nwritten to runs/flowers/1/report.html, with all 3 runs of this config "
            "there\n"
        )
        assert answer.out.count("  seed ") == part  # in the table: those asked for


def test_the_page_is_of_this_config_alone(call: Call, folder: Path) -> None:
    assert call(*SHORT, "--seeds", 2, "--out", "made").code == 0
    other = (*SHORT, "data.batch_size=8", "--seeds", "1", "--out", "made")
    assert call(*other, "seed=5").out.endswith("\nwritten to made/report.html\n")
    (folder / "made/seed-1/run.json").write_text("{")
    assert call(*SHORT, "seed=7", "--seeds", 1, "--out", "made").code == 0
    page = (folder / "made/report.html").read_text()
    assert "flowers: 1 config, 2 runs" in page
    assert "left out: made/seed-1/run.json is damaged" in page


# ---------------------------------------------------------------- two at once


def refused(answer: Answer, error: str, fix: str = "wait for it, or stop it") -> bool:
    return answer.code == 5 and answer.err.endswith(
        f"error[locked-run] {error}\n  {fix}\n"
    )


def test_a_seed_that_is_being_trained_is_not_trained_twice(
    call: Call, three: Path
) -> None:
    say(three / "seed-1", status="running")
    training = "seed 1 is being trained in runs/flowers/1/seed-1 by another process"
    with lock.held(Disk(), three / "seed-1"):
        answer = call(*SHORT, "--seeds", 3)
        assert refused(answer, training)
        assert told(answer) == ["seed 0  runs/flowers/1/seed-0  finished before"]
        with lock.held(Disk(), three):
            assert refused(call(*SHORT, "--seeds", 3), training)
    assert names(MADE) == ["1"]
    assert call(*SHORT, "--seeds", 3).code == 0


def test_a_folder_is_of_one_process(call: Call, three: Path) -> None:
    """Also while that one is between two seeds, or trains more of them."""
    with lock.held(Disk(), three):
        for more in ("--seeds", 3), ("--seeds", 5), ("seed=1", "--seeds", 1):
            answer = call(*SHORT, *more)
            assert refused(answer, "runs/flowers/1 is in use by another process")
        assert call(*SHORT, "--seeds", 1, "data.batch_size=8").code == 0
    assert [names(MADE / n) for n in names(MADE)] == [
        ["report.html", "seed-0", "seed-1", "seed-2"],
        ["report.html", "seed-0"],
    ]
    assert call(*SHORT, "--seeds", 5).code == 0


def test_of_two_at_once_the_second_sees_the_run_of_the_first(
    call: Call, three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has chosen its folder, and begins its run a moment later."""
    run = three / "seed-0"
    (run / "run.json").rename(run / "later")
    for other in ("seed-1", "seed-2"):
        shutil.rmtree(three / other)
    (MADE / "2/trials").mkdir(parents=True)  # a sweep, which has none of its own

    def begin(seconds: float) -> None:
        (run / "later").rename(run / "run.json")

    monkeypatch.setattr(time, "sleep", begin)
    with lock.held(Disk(), three), lock.held(Disk(), MADE / "2"):
        answer = call(*SHORT, "--seeds", 3)
        said = "seed 0 is being trained in runs/flowers/1/seed-0 by another process"
        assert refused(answer, said)
        assert names(MADE) == ["1", "2"]
        # Who wants all of it anew gets it.
        assert told(call(*SHORT, "--seeds", 1, "--again")) == [
            "seed 0  runs/flowers/3/seed-0  finished"
        ]


@pytest.mark.parametrize("busy", [MADE, MADE / "1"], ids=str)
def test_who_never_begins_is_not_waited_for_for_ever(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, busy: Path
) -> None:
    monkeypatch.setattr(seeds, "_PATIENCE", 0.1)
    busy.mkdir(parents=True)
    with lock.held(Disk(), busy):
        answer = call(*SHORT, "--seeds", 1)
    assert refused(answer, f"another process has not begun yet in {busy}")
    assert call(*SHORT, "--seeds", 1).code == 0


# ---------------------------------------------------------------- with a folder given


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (lambda made: None, ""),
        (
            lambda made: say(made / "seed-1", status="interrupted"),
            ", or finish it by hand: nettrain resume made/seed-1",
        ),
        (
            lambda made: shutil.rmtree(made / "seed-2"),
            ", or finish it by hand: seed=2 --seeds 1",
        ),
        (
            lambda made: (say(made / "seed-0", status="running"), kept(made, 1)),
            ", or finish it by hand: nettrain resume made/seed-0, then seed=1 "
            "--seeds 2",
        ),
    ],
)
def test_what_helps_where_runs_stand_in_the_folder_that_is_asked_for(
    call: Call, three: Path, change: Callable[[Path], object], left: str
) -> None:
    made = three.rename("runs/made").rename("made")
    change(made)
    before = names(made)
    try:
        answer = call(*SHORT, "--seeds", 3, "--out", "made")
        assert (answer.code, answer.out, names(made)) == (4, "", before)
        assert answer.err == (
            "error[run-exists] made/seed-0 holds a run already\n  choose another "
            f"folder{left}; without --out the same command goes on by itself\n"
        )
    finally:
        shutil.rmtree(made)


def kept(made: Path, number: int) -> None:
    """Leave the first so many seeds there."""
    for run in sorted(made.glob("seed-*"))[number:]:
        shutil.rmtree(run)


@pytest.mark.parametrize("name", ["report.html", "notes.txt", "trials/0001.yaml"])
def test_nothing_of_others_is_touched_in_the_folder_that_is_given(
    call: Call, folder: Path, name: str
) -> None:
    there = folder / "made" / name
    there.parent.mkdir(parents=True)
    there.write_text("mine")
    answer = call(*SHORT, "--seeds", 1, "--out", "made")
    held = name.partition("/")[0]
    assert answer.code == 4 and there.read_text() == "mine"
    assert answer.err.startswith(f"error[run-not-empty] made holds {held}, and no runs")
    assert [path.name for path in (folder / "made").iterdir()] == [held]


def test_seeds_with_a_gap_between_them_are_not_finished_by_hand(
    call: Call, three: Path
) -> None:
    made = three.rename("runs/made").rename("made")
    shutil.rmtree(made / "seed-0")
    try:
        answer = call(*SHORT, "--seeds", 4, "--out", "made")
        assert answer.err == (
            "error[run-exists] made/seed-1 holds a run already\n  choose another "
            "folder; without --out the same command goes on by itself\n"
        )
    finally:
        shutil.rmtree(made)


def test_a_half_made_run_is_taken_over_where_the_folder_is_given(
    call: Call, folder: Path
) -> None:
    (folder / "made/seed-0").mkdir(parents=True)
    (folder / "made/seed-0/config.yaml").write_text("old")
    answer = call(*SHORT, "--seeds", 1, "--out", "made")
    assert told(answer) == ["seed 0  made/seed-0  finished"]


def test_a_folder_that_is_given_is_of_one_process(call: Call, folder: Path) -> None:
    (folder / "made").mkdir()
    with lock.held(Disk(), folder / "made"):
        answer = call(*SHORT, "--seeds", 1, "--out", "made")
    assert refused(answer, "made is in use by another process")
