"""Help, usage errors, and what becomes of exceptions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nettrain import __version__
from nettrain.cli import manual, verbs
from nettrain.cli.main import main
from tests.cli.conftest import ROOT, Call

UNMAPPED = "libm.so: failed to map segment from shared object"


def python(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=60,
    )


@pytest.mark.parametrize("name", verbs.VERBS)
def test_the_help_of_every_verb_has_an_example(call: Call, name: str) -> None:
    answer = call(name, "--help")
    assert answer.code == 0
    assert f"example:\n  nettrain {name} " in answer.out
    assert answer.err == ""


def test_the_overview_names_every_verb(call: Call) -> None:
    answer = call("--help")
    assert answer.code == 0
    for name, verb in verbs.VERBS.items():
        assert f"  {name} " in answer.out
        assert verb.summary in answer.out


def test_without_a_verb_the_overview_is_an_error(call: Call) -> None:
    answer = call()
    assert (answer.code, answer.out) == (2, "")
    assert "nettrain VERB" in answer.err


def test_version(call: Call) -> None:
    assert call("--version").out == f"nettrain {__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], 'error[usage-verb] unknown verb "rnu"\n  did you mean "run"?'),
        (["--versoin"], 'error[usage-option] unknown option "--versoin"'),
        (["run"], "error[usage-arguments] the following arguments are required: CON"),
        (
            ["run", "c.yaml", "--sedes", "3"],
            'error[usage-option] unknown option "--sedes"\n  did you mean "--seeds"?',
        ),
        (["run", "c.yaml", "--seed=3"], 'unknown option "--seed"'),
        (["run", "c.yaml", "--seeds", "0"], "--seeds: expected 1, 2, 3, …, got '0'"),
        (["run", "c.yaml", "--seeds", "x"], "--seeds: expected 1, 2, 3, …, got 'x'"),
        (["explain", "seed", "name"], 'unexpected argument "name"'),
        (["predict", "runs/1"], "arguments --data --sample is required"),
        (["graph", "x", "--rate", "fast"], "argument --rate: invalid float value"),
    ],
)
def test_usage_errors(call: Call, words: list[str], said: str) -> None:
    answer = call(*words)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (RuntimeError("two\nlines"), 1, "error[bug] RuntimeError: two lines\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (MemoryError("8 GB"), 8, "error[memory-full] 8 GB\n"),
        (MemoryError(), 8, "error[memory-full] there is not enough memory\n"),
        (
            ImportError(f"Advice:\n {UNMAPPED}\n\nand more"),
            8,
            f"error[memory-full] a library cannot be loaded: {UNMAPPED}\n",
        ),
        (
            ImportError(f"{UNMAPPED}: Cannot allocate memory"),
            8,
            f"error[memory-full] a library cannot be loaded: {UNMAPPED}\n",
        ),
        (
            ImportError(f"{UNMAPPED}: Operation not permitted"),
            1,
            f"error[bug] ImportError: {UNMAPPED}: Operation not permitted\n",
        ),
    ],
)
def test_exceptions_end_in_one_message(
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    code: int,
    said: str,
) -> None:
    def fail(arguments: object) -> int:
        raise raised

    monkeypatch.setattr(manual, "explain", fail)
    answer = call("explain", "seed")
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith(said)


def test_errors_as_json(call: Call, tmp_path: Path) -> None:
    config = tmp_path / "a.yaml"
    config.write_text("data: {source: digits}\nmodl: [dense: 3]\nloss: ms\n")
    answer = call("check", str(config), "--json")
    assert answer.code == 2
    assert answer.err.count("error[") == 2
    key, loss = json.loads(answer.out)["errors"]
    assert key == {
        "code": "config-unknown-key",
        "place": {
            "file": str(config),
            "line": 2,
            "column": 1,
            "text": "modl: [dense: 3]",
        },
        "message": 'unknown key "modl"',
        "fix": 'did you mean "model"?',
    }
    assert (loss["code"], loss["place"]["column"]) == ("config-unknown-component", 7)
    answer = call("check", str(ROOT / "configs/mlp.yaml"), "train.epochs=0", "--json")
    (error,) = json.loads(answer.out)["errors"]
    assert error["place"] == {
        "file": "command line",
        "line": None,
        "column": None,
        "text": "train.epochs=0",
    }
    answer = call("runs", str(tmp_path / "none"), "--json")
    assert answer.code == 4
    (error,) = json.loads(answer.out)["errors"]
    assert (error["code"], error["place"]) == ("run-missing", None)
    assert call("check", str(config)).out == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["runs", "--json", "--sortt", "name"], "usage-option"),
        (["runs", "--where", "--json"], "usage-arguments"),
        (["compare", "--json"], "usage-arguments"),
        (["bench", "a.yaml", "--steps", "0", "--json"], "usage-arguments"),
        (["chekc", "--json"], "usage-verb"),
        (["--json"], "usage-option"),
        (["run", "a.yaml", "--json"], "usage-option"),  # it has none
    ],
)
def test_what_cannot_be_parsed_is_one_document_too(
    call: Call, words: list[str], code: str
) -> None:
    answer = call(*words)
    assert answer.code == 2
    (error,) = json.loads(answer.out)["errors"]
    assert (error["code"], error["place"]) == (code, None)
    assert f"error[{code}] {error['message']}" in answer.err
    assert call(*(word for word in words if word != "--json")).out == ""


@pytest.mark.parametrize(
    "words", [["--debug", "explain", "seedd"], ["explain", "seedd", "--debug"]]
)
def test_debug_shows_the_traceback(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(words) == 2
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert printed.endswith('unknown key "seedd"\n  did you mean "seed"?\n')


def test_threads_are_fixed_before_numpy_is_there_and_help_does_not_import_it() -> None:
    script = (
        "import os, sys; from nettrain.cli.main import main; main(['run', '--help']);"
        "print('numpy' in sys.modules, os.environ['OMP_NUM_THREADS'],"
        "os.environ['OPENBLAS_NUM_THREADS'], os.environ['MKL_NUM_THREADS'])"
    )
    made = python("-c", script, OMP_NUM_THREADS="7", MKL_NUM_THREADS="3")
    assert made.stdout.splitlines()[-1] == "False 1 1 1"


def test_python_m_nettrain() -> None:
    made = python("-m", "nettrain", "explain", "seedd")
    assert made.returncode == 2
    assert made.stderr == (
        'error[usage-unknown-key] unknown key "seedd"\n  did you mean "seed"?\n'
    )


def test_a_terminal_without_our_letters() -> None:
    made = python("-m", "nettrain", "explain", "adam", PYTHONIOENCODING="ascii")
    assert (made.returncode, made.stderr) == (0, "")
    assert "m \\u2190 \\u03b21 m" in made.stdout


def into(path: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command whose standard output goes to a file."""
    with open(path, "w") as file:
        return subprocess.run(
            [sys.executable, "-m", "nettrain", *words],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            timeout=60,
        )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
@pytest.mark.parametrize("words", [["list", "--schema"], ["--version"]])
def test_a_full_disk_under_the_output_is_no_bug(words: list[str]) -> None:
    made = into("/dev/full", *words)
    assert made.returncode == 6
    assert made.stderr == (
        "error[disk-full] cannot write to standard output: no space left on device\n"
        "  what is saved in a run folder is whole; send the output elsewhere\n"
    )


def test_an_error_of_another_file_is_not_that_of_the_output(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(arguments: object) -> int:
        raise OSError(28, "No space left on device", "table.csv")

    monkeypatch.setattr(manual, "explain", fail)
    answer = call("explain", "seed")
    assert answer.code == 1 and "error[bug] OSError" in answer.err


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_stream_that_is_closed_is_no_bug(closed: str) -> None:
    command = f"{sys.executable} -m nettrain runs nettrain {closed}"
    for words, code in ((command, 0), (f"{command} --sort", 2)):
        made = subprocess.run(
            ["sh", "-c", words], capture_output=True, text=True, cwd=ROOT, timeout=60
        )
        assert made.returncode == code
        assert ("2>&-" in closed or code == 0) == (made.stderr == "")
        assert made.stdout == "" or ">&- 2" not in closed


def test_errors_are_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    words = [
        "run",
        "missing-" * 3 + ".yaml",
        "--seeds",
        "none of the numbers there are",
    ]
    assert main(words) == 2
    assert max(map(len, capsys.readouterr().err.split("\n"))) > 50
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(words) == 2
    rows = capsys.readouterr().err.rstrip().split("\n")
    assert rows[2:] == ["  nettrain run --help shows what it takes, with an example"]
    assert len(rows[0]) <= 50 and rows[1].startswith("  1, 2, 3, …, got")


def test_a_reader_that_went_away_is_no_bug(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        made = subprocess.run(
            [sys.executable, "-m", "nettrain", "list", "--schema"],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            timeout=60,
        )
    assert (made.returncode, made.stderr) == (141, "")
