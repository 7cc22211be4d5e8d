"""What a model writes that was trained on a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nettrain import randomness
from nettrain.cli.main import main
from nettrain.errors import Error
from nettrain.experiment.load import Run, load_run
from nettrain.experiment.run import run
from nettrain.experiment.writing import written
from tests.experiment.conftest import SMALL

pytestmark = pytest.mark.usefixtures("only_graphs")

LENGTH = 6


def config(source: Path, **train: Any) -> dict[str, Any]:
    return {
        "data": {
            "source": {"text": {"path": str(source), "length": LENGTH}},
            "split": {},
            "batch_size": 16,
        },
        "model": [
            {"embedding": {"size": 4, "vocabulary": 5}},
            {"rnn": {"units": 8, "outputs": "all"}},
            {"dense": "auto"},
        ],
        "loss": "cross_entropy",
        "optimizer": {"adam": {"learning_rate": 0.03}},
        "train": train,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run is that has learned to say abcd, after a new line."""
    folder = tmp_path_factory.mktemp("text")
    (folder / "text.txt").write_text("\n" + "abcd" * 200)
    run(config(folder / "text.txt", steps=150), out=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def trained(folder: Path) -> Run:
    return load_run(folder)


@pytest.mark.parametrize("prompt", ["a", "bc", "cdabcdabcdab"])
def test_what_was_learned_is_continued(trained: Run, prompt: str) -> None:
    text = written(trained.model, 11, prompt)
    start = "abcd".index(prompt[0])
    assert text == ("abcd" * 8)[start:][: len(prompt) + 11]


def test_without_a_prompt_it_begins_after_a_line(trained: Run) -> None:
    assert written(trained.model, 5) == written(trained.model, 5, "\n")[1:] == "abcda"


def test_characters_are_drawn_with_their_probabilities(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("abcd\n" * 40)
    run(config(tmp_path / "text.txt", steps=1), out=tmp_path / "run")
    model = load_run(tmp_path / "run").model
    piece = [[1, 3, 2, 0, 0, 0]]  # "acb": only what stands before counts
    (_, _, chances, *_), *_ = model.predict(np.array(piece, np.float32))
    wanted = []
    for seed in range(20):
        (draw,) = randomness.uniform(randomness.key(seed, "writing"), (1,))
        wanted.append("\nabcd"[int((np.cumsum(chances) < draw).sum())])
    assert [written(model, 1, "acb", seed)[3:] for seed in range(20)] == wanted
    assert len(set(wanted)) > 2


def test_an_unknown_character(trained: Run) -> None:
    with pytest.raises(Error, match='"z" is not in the text') as caught:
        written(trained.model, 3, "abz")
    assert caught.value.code == "data-unseen-category"


def test_a_run_without_a_text(tmp_path: Path) -> None:
    run({**SMALL, "train": {"steps": 1}}, out=tmp_path / "run")
    with pytest.raises(Error, match="no text was trained on") as caught:
        written(load_run(tmp_path / "run").model, 3)
    assert caught.value.code == "run-no-text"


def test_the_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["predict", str(folder), "--sample", "7"]
    assert main([*asked, "--prompt", "cd"]) == 0
    assert capsys.readouterr().out == "cdabcdabc\n"
    assert main([*asked, "--out", str(tmp_path / "tale.txt")]) == 0
    assert (tmp_path / "tale.txt").read_text() == "abcdabc\n"
    assert main([*asked, "--data", "text.txt"]) == 2


def test_a_training_ends_in_a_sample(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    assert main(["run", str(folder / "config.resolved.yaml"), "--out", out]) == 0
    text = written(load_run(out).model, 400).strip("\n")
    assert text.startswith("abcdabcdabcd")
    assert capsys.readouterr().out.endswith(f"\n\nIt writes:\n\n{text}\n")
