"""What `check --fix` mends, what it leaves alone, and that the rest stays as it is."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nettrain.cli.main import main
from nettrain.config.fix import fix, mended
from nettrain.disk import Disk
from nettrain.errors import Error
from nettrain.experiment.schema import Experiment
from nettrain.experiment.setup import mistakes

ROOT = Path(__file__).parents[2]
GOOD = """\
# The head.
name: a         # a name
data: {source: digits}
model:
  - dense: {units: 8, activation: relu}
  - dense: auto
loss: cross_entropy
optimizer: {adam: {learning_rate: 1e-3}}
train:
  epochs: 2     # short

  # The end.
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def after(text: str, *overrides: str) -> str:
    """The text once it is mended."""
    Path("a.yaml").write_bytes(text.encode())
    done = mended("a.yaml", overrides, schema=of_one)
    assert Path("a.yaml").read_bytes() == text.encode()
    assert done.before == text
    return done.after


def of_one(_: object) -> type:
    return Experiment


# What stands in GOOD, and what is written instead; mended, it is GOOD again.
MISTAKES = [
    ("name: a", "naem: a"),
    ("data:", "Data:"),
    ("units: 8", "unit: 8"),
    ("dense: auto", "Dense: auto"),
    ("dense: auto", "dnse: auto"),
    ("relu", "ReLU"),
    ("relu", "reul"),
    ("loss: cross_entropy", "loss: CrossEntropy"),
    ("loss: cross_entropy", "los: cross-entropy"),
    ("train:\n  epochs: 2", "trian:\n  epoch: 2"),
    ("learning_rate", "lr"),
    ("units: 8", 'units: "8"'),
    ("units: 8", "units: 8.0"),
    ("units: 8", "units: [8]"),
    ("relu", "[relu]"),
    ("relu", "relu()"),
    ("digits", "[digits]"),
]


@pytest.mark.parametrize(("right", "wrong"), MISTAKES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_mistake_is_mended_and_nothing_else(
    right: str, wrong: str, newline: str
) -> None:
    text = GOOD.replace(right, wrong, 1)
    assert text != GOOD
    assert after(text.replace("\n", newline)) == GOOD.replace("\n", newline)


HEAD = "data: {source: digits}\nmodel: [dense: 10]\nloss: cross_entropy\n"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ('"sed": 1', '"seed": 1'),
        ("'sed': 1", "'seed': 1"),
        ('dtype: "Float32"', 'dtype: "float32"'),
        ('metrics: "accuracy"', 'metrics: ["accuracy"]'),
        ("seed: 1_000", "seed: 1000"),
        ("seed: '3' # why", "seed: 3 # why"),
        ("dtype: Float32", "dtype: float32"),
        ("diagnose: off", "diagnose: false"),
        ("metrics: accuracy", "metrics: [accuracy]"),
        ("metrics: [acc, 'Confusion']", "metrics: [accuracy, 'confusion']"),
        ("metrics:\n- acc # one\n- f1", "metrics:\n- accuracy # one\n- f1"),
        ("optimizer: {adam: 1 %}", "optimizer: {adam: 0.01}"),
        ("train: {stop: {monitor: 3}}", 'train: {stop: {monitor: "3"}}'),
        ("train: &t {epoch: 3}", "train: &t {epochs: 3}"),
        ("train: {epochss: 3}", "train: {epochs: 3}"),
        ("extens: b.yaml", "extends: b.yaml"),
        ("optimizer: adam(0.1)", "optimizer: {adam: 0.1}"),
        ("optimizer: sgd 0.1 # o", "optimizer: {sgd: 0.1} # o"),
        ("optimizer: sgd = 1e-2", "optimizer: {sgd: 0.01}"),
        ("optimizer: [sgd, 0.1]", "optimizer: {sgd: 0.1}"),
        ("optimizer: [adam: {beta1: 0.5}]", "optimizer: {adam: {beta1: 0.5}}"),
        ("optimizer: {name: adam, beta1: 0}", "optimizer: {adam: {beta1: 0}}"),
        ("optimizer: {sgd: '0,003'}", "optimizer: {sgd: 0.003}"),
        ("optimizer: {sgd: 0;}", "optimizer: {sgd: 0.0}"),
        ("diagnose: True,", "diagnose: true"),
        ("train: {stop: {target: −1}}", "train: {stop: {target: -1.0}}"),
        ("dtype: float32;", "dtype: float32"),
        ("train: {stop: {patience: None}}", "train: {stop: {patience: null}}"),
        # One is mended, another is not.
        ("seed: 1\nseed: 2\ndiagnose: no", "seed: 1\nseed: 2\ndiagnose: false"),
        ("sed: 1\nseeed: 2", "seed: 1\nseeed: 2"),
    ],
)
def test_what_is_beyond_doubt(wrong: str, right: str) -> None:
    Path("b.yaml").write_text("{}")
    assert after(f"{HEAD}{wrong}\n") == f"{HEAD}{right}\n"


@pytest.mark.parametrize(
    "text",
    [
        "optimizer: adm",  # adam, adamw, adamax
        "optimizer: {adam: {beta: 0.9}}",  # beta1, beta2
        "metrics: [zzzz]",
        "metrics: [accuracy f1]",  # one of the two would be lost
        "metrics: [top3]",
        "metrics: [accuracy_score]",  # what goes on may say more
        "train: {stop: {goal: minimize}}",
        "dtype: float16",
        "optimizer: nadamw",
        "optimizer: sgd 0.1 0.9",
        "optimizer: adam(x)",
        "optimizer: {name: sgd, mom: 1}",
        "optimizer:\n- adam: {learning_rate: 0.001}",
        "optimizer:\n  beta1: 0\n  name: adam",  # under which comment?
        "optimizer:\n  name: adam\n  beta: 0.9",
        "optimizer: &o\n  name: adam\n  beta1: 0",
        "optimizer:\n  - adam",
        "base: b.yaml",
        "train: {epochs: }",
        "train: {epochs: -4}",
        "data: {source: digits, split: {test: 15}}",
        "data: {source: digits, split: {test: 150%}}",
        "seed: −1",
        "optimizer: sgdm",
        "zzzz: 1",
        "sed: 1\nseed: 2",  # which of the two?
        "train: {stop: {monitor: 1.50}}",  # "1.5" or "1.50"?
        "train: {stop: {monitor: &n 3}}",  # what an anchor names may be right elsewhere
        "seed: &s 3\nname: *s",
        "seed: 1\nseed: 2",
        "seed: !!int 'x'",
        # keys in a wrong place
        "epochs: 4\ntrain: {epochs: 3}",
        "learning_rate: 0.1",  # of which optimizer?
        "dropout: 0.5",  # behind which layer?
        "epochs: &e 4",
        "epochs: |\n  4",
        "epochs:",
        "stop:\n  patience: 3",  # lines cannot stand between brackets
        "stop:\n  patience: 3\ntrain: {epochs: 1}",
        "patience: 3\ntrain: {stop: {patience: 4}}",
        "train: {stop: {patience: 3}}\nmonitor: a, b",  # a comma ends it in brackets
    ],
)
def test_what_is_in_doubt_stays(text: str) -> None:
    assert after(f"{HEAD}{text}\n") == f"{HEAD}{text}\n"


# What follows HEAD, wrong and mended; a § in it stands for HEAD itself.
MOVED = [
    # into a section that is written, in lines or between brackets
    ("train:\n    clip_norm: 1\nepochs: 4", "train:\n    epochs: 4\n    clip_norm: 1"),
    ("train: {clip_norm: 1}\nepochs: 4  # e", "train: {epochs: 4, clip_norm: 1}\n# e"),
    ("train: {}\nepochs: 4", "train: {epochs: 4}"),
    (
        "x: &x {clip_norm: 1}\ntrain:\n  <<: *x\n  steps: 2\nmonitor: a",
        "x: &x {clip_norm: 1}\ntrain:\n  <<: *x\n  stop: {monitor: a}\n  steps: 2",
    ),
    # out of one
    ("train: {seed: 1, epochs: 2}", "seed: 1\n§train: {epochs: 2}"),
    ("train: {epochs: 2, seed: 1}", "seed: 1\n§train: {epochs: 2}"),
    ("train: {seed: 1}", "seed: 1\n§train: {}"),
    ("train:\n  seed: 1  # s", "seed: 1  # s\n§train: {}"),
    # with all that stands below it
    (
        "train:\n  epochs: 1\nstop:\n  # why\n  patience: 3\n\n  target: 2 # t\n# end",
        "train:\n  stop:\n    # why\n    patience: 3\n\n    target: 2 # t\n"
        "  epochs: 1\n# end",
    ),
    (
        "train:\n  epochs: 1\n  metrics:\n# why\n  - f1\n # and\n  - accuracy",
        "metrics:\n# why\n- f1\n# and\n- accuracy\n§train:\n  epochs: 1",
    ),
    (
        "train:\n  epochs: 1\n  metrics:\n  - f1\n  - accuracy",
        "metrics:\n- f1\n- accuracy\n§train:\n  epochs: 1",
    ),
    # with its comments
    (
        "train:\n  # so\n  # many\n  seed: 3   # three\n  epochs: 2",
        "# so\n# many\nseed: 3   # three\n§train:\n  epochs: 2",
    ),
    (
        "train:\n  epochs: 2  # e\n  # apart\n\n  # so\n  seed: 3\n  # below",
        "# so\nseed: 3\n§train:\n  epochs: 2  # e\n  # apart\n\n  # below",
    ),
    # where nothing is written yet
    ("epochs: 4  # how long", "train: {epochs: 4}  # how long"),
    ("patience: 3\nclip_norm: 1", "train: {stop: {patience: 3}, clip_norm: 1}"),
    # in the order in which they stood
    (
        "train:\n  epochs: 1\nclip_norm: 1 # c\nclip_value: 2\naccumulate: 3",
        "train:\n  clip_norm: 1 # c\n  clip_value: 2\n  accumulate: 3\n  epochs: 1",
    ),
    # into a component, in each of its forms
    (
        "optimizer: {adam: {}}\nlearning_rate: 0.1",
        "optimizer: {adam: {learning_rate: 0.1}}",
    ),
    ("optimizer: adam\nlearning_rate: 1", "optimizer: {adam: {learning_rate: 1}}"),
    (
        "optimizer: {adam: 0.1}\nbeta1: 0.5",
        "optimizer: {adam: {learning_rate: 0.1, beta1: 0.5}}",
    ),
    (
        "optimizer:\n  adam:\n    beta1: 0.5\nlearning_rate: 0.1",
        "optimizer:\n  adam:\n    learning_rate: 0.1\n    beta1: 0.5",
    ),
]


@pytest.mark.parametrize(("wrong", "right"), MOVED)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_key_goes_where_it_belongs(wrong: str, right: str, newline: str) -> None:
    above, mark, below = right.partition("§")
    wanted = f"{above}{HEAD}{below}\n" if mark else f"{HEAD}{right}\n"
    text = f"{HEAD}{wrong}\n".replace("\n", newline)
    assert after(text) == wanted.replace("\n", newline)


@pytest.mark.parametrize(
    "layer",
    [
        "linear: {units: 64, activation: relu, weight_l2: 0.003}",
        "dropout: {rate: 0.5, units: 3}",
        "residual: [linear: {units: 8}]",
    ],
)
def test_no_key_goes_into_another_layer(layer: str) -> None:
    for text in (
        HEAD.replace("[dense: 10]", f"\n  - {layer}\n  - dense: auto"),
        f"{HEAD}activation: relu\n",
        f"{HEAD}units: 3\n",
    ):
        assert after(text) == text


def test_what_a_file_begins_with_stays() -> None:
    text = f"# all of it\nepochs: 3\n{HEAD}train:\n  clip_norm: 1\n"
    moved = f"# all of it\n{HEAD}train:\n  epochs: 3\n  clip_norm: 1\n"
    assert after(text) == moved


def test_other_files_and_overrides_are_left_alone() -> None:
    Path("b.yaml").write_text("sed: 1\n")
    text = f"extends: b.yaml\n{HEAD}epoch: 3\n"
    assert after(text, "sed=3", "train.epoch=3") == text.replace("epoch:", "epoch:")
    assert Path("b.yaml").read_text() == "sed: 1\n"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (
            "optimizer:\n  name: adam  # a\n  # b\n  beta1: 0  # c\n\n"
            "  beta2: &b\n   0.5\n# d\nseed: 1",
            "optimizer:\n  adam:  # a\n    # b\n    beta1: 0  # c\n\n"
            "    beta2: &b\n     0.5\n# d\nseed: 1",
        ),
        (
            "model:\n- name: dense\n  units: 3\n- dense: 2",
            "model:\n- dense:\n    units: 3\n- dense: 2",
        ),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_component_of_several_lines(wrong: str, right: str, newline: str) -> None:
    head = HEAD.replace("model: [dense: 10]\n", "") if "model" in wrong else HEAD
    text = f"{head}{wrong}\n".replace("\n", newline)
    assert after(text) == f"{head}{right}\n".replace("\n", newline)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("train: {epoch: 3}", "train: {epochs: 3}"),
        ("optimiser: sgd", "optimizer: sgd"),
        ("train:\n  epoch: 3\nsed: 4", "train:\n  epochs: 3\nseed: 4"),
        ("train: {clip_norm: 1, seed: 4}", "seed: 4\ntrain: {clip_norm: 1}"),
        ("train: {epoch: 3, epochs: 4}", "train: {epoch: 3, epochs: 4}"),
    ],
)
def test_what_another_file_has_is_in_nobodys_way(wrong: str, right: str) -> None:
    base = f"{HEAD}seed: 1\noptimizer: adam\ntrain: {{epochs: 9}}\n"
    Path("b.yaml").write_text(base)
    assert after(f"extends: b.yaml\n{wrong}\n") == f"extends: b.yaml\n{right}\n"
    assert Path("b.yaml").read_text() == base


def test_json_stays_json() -> None:
    held = {
        "data": {"source": "digits", "batchsize": 32},
        "model": [{"dense": {"unit": "8"}}, {"Dense": "auto"}],
        "loss": "crossentropy",
        "optimizer": "adam(0.1)",
        "metrics": "f1",
        "patience": 3,
        "train": {"clip_norm": 1},
    }
    done = json.loads(after(json.dumps(held, indent=2)))
    assert done == {
        "data": {"source": "digits", "batch_size": 32},
        "model": [{"dense": {"units": 8}}, {"dense": "auto"}],
        "loss": "cross_entropy",
        "optimizer": {"adam": 0.1},
        "metrics": ["f1"],
        "train": {"stop": {"patience": 3}, "clip_norm": 1},
    }


def test_what_stands_at_the_same_place_of_another_file_is_no_mistake() -> None:
    Path("b.yaml").write_text("{sed: 1}\n")
    text = f"#sed: 1\nextends: b.yaml\n{HEAD}"
    assert after(text) == text


def test_a_patch_is_mended_in_its_own_place() -> None:
    text = f"{HEAD}patch:\n  - {{do: set, path: optimizer, value: Sgd}} # s\n"
    assert after(text) == text.replace("Sgd", "sgd")


@pytest.mark.parametrize("text", ["a: ]", "seed: *x", "a: b: c", "- a", ""])
def test_what_is_no_config_is_not_touched(text: str) -> None:
    Path("a.yaml").write_text(text)
    fix("a.yaml", schema=of_one)
    assert Path("a.yaml").read_text() == text


# ---------------------------------------------------------------- what data tell

TABLE = """\
data:
  source: data/wine.csv
  target: kind
  columns: {ash: ignore}
  missing: {alcohol: mean}
model:
  - dense: {units: 8, activation: relu}
  - dense: auto
loss: cross_entropy
metrics: [accuracy]
train: {epochs: 2, stop: {monitor: validation/loss}}
"""


@pytest.fixture
def table(folder: Path) -> None:
    rows = [f"{i % 7},{i % 5},{i * 3 % 11},{'abc'[i % 3]}\n" for i in range(60)]
    for name in ("wine.csv", "rows2.csv"):
        (folder / "data").mkdir(exist_ok=True)
        head = "alcohol,ash,hue,kind\n"
        (folder / "data" / name).write_text(head + "".join(rows))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("data/wine.csv", "dta/wine.csv"),
        ("data/wine.csv", "Data/Wine.CSV"),
        ("data/wine.csv", "date/wnie.csv"),
        ("data/wine.csv", "./data/wien.csv"),
        ("target: kind", "target: kidn"),
        ("target: kind", "target: Kind"),
        ("target: kind", "target: kinds"),
        ("ash:", "ahs:"),
        ("alcohol:", "alcohl:"),
        ("dense: auto", "dense: 5"),
        ("[accuracy]", "[accuarcy]"),
        ("validation/loss", "val_loss"),
        ("validation/loss", "valdation/loss"),
        ("relu", "rleu"),
    ],
)
def test_a_name_in_data_is_put_right(table: None, right: str, wrong: str) -> None:
    Path("a.yaml").write_text(TABLE.replace(right, wrong, 1))
    done = mended("a.yaml", schema=of_one, look=mistakes)
    assert done.after == TABLE


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("data/wine.csv", "data/rows1.csv"),  # another number is another file
        ("data/wine.csv", "data/wine.tsv"),
        ("data/wine.csv", "data/b.csv"),
        ("data/wine.csv", "data/win.csv.old"),
        ("target: kind", "target: kind_of_wine"),
        ("target: kind", "target: k"),
        ("alcohol: mean", "alc: mean"),  # may begin another name
        ("missing: {alcohol: mean}", "missing: zero"),  # error, or drop, or mean?
        ("dense: auto", "dense: {units: 5, activation: relu}"),  # is another to follow?
        ("dense: auto", "dense: 1"),  # or another loss?
        ("validation/loss", "loss"),  # of which part?
        ("validation/loss", "validation/f1"),
        ("[accuracy]", "[accuracy f1]"),
    ],
)
def test_a_name_in_data_that_may_be_another(
    table: None, right: str, wrong: str
) -> None:
    text = TABLE.replace(right, wrong, 1)
    Path("a.yaml").write_text(text)
    assert mended("a.yaml", schema=of_one, look=mistakes).after == text


def test_two_files_that_may_have_been_meant(table: None) -> None:
    Path("data/wins.csv").write_text("a,b\n1,2\n")
    text = TABLE.replace("data/wine", "data/win")
    Path("a.yaml").write_text(text)
    assert mended("a.yaml", schema=of_one, look=mistakes).after == text


def test_other_mistakes_do_not_hide_it(table: None) -> None:
    text = TABLE.replace("target: kind", "target: kidn") + "optimizer: adm\n"
    Path("a.yaml").write_text(text)
    done = mended("a.yaml", schema=of_one, look=mistakes)
    assert done.after == TABLE + "optimizer: adm\n"


def test_paths_in_sources_and_extends(table: None) -> None:
    source = "source: {file: {path: data/wnie.csv}}"
    Path("a.yaml").write_text(TABLE.replace("source: data/wine.csv", source))
    done = mended("a.yaml", schema=of_one, look=mistakes)
    assert "path: data/wine.csv" in done.after
    Path("base.yaml").write_text(HEAD)
    assert after("extends: bsae.yaml\nseed: 2\n") == "extends: base.yaml\nseed: 2\n"


# ---------------------------------------------------------------- the file


def test_the_file_is_replaced_in_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\xef\xbb\xbf" + f"{HEAD}sed: 1\r\n".encode()
    Path("real.yaml").write_bytes(content)
    Path("real.yaml").chmod(0o640)
    Path("a.yaml").symlink_to("real.yaml")

    def fail(disk: Disk, file: object, data: bytes) -> None:
        raise Error("disk-full", "no space left")

    with monkeypatch.context() as patch, pytest.raises(Error, match="no space"):
        patch.setattr(Disk, "write", fail)
        fix("a.yaml", schema=of_one)
    assert Path("real.yaml").read_bytes() == content
    assert sorted(os.listdir()) == ["a.yaml", "real.yaml"]
    fix("a.yaml", schema=of_one)
    assert Path("a.yaml").is_symlink()
    assert Path("real.yaml").read_bytes() == content.replace(b"sed", b"seed")
    assert Path("real.yaml").stat().st_mode & 0o777 == 0o640


def test_a_file_that_is_right_is_not_touched() -> None:
    Path("a.yaml").write_text(GOOD)
    Path("a.yaml").chmod(0o400)
    before = Path("a.yaml").stat()
    fix("a.yaml", schema=of_one)
    after = Path("a.yaml").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_check_shows_what_it_mended(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(GOOD.replace("epochs", "epoch"))
    assert main(["check", "a.yaml", "--fix"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("--- a.yaml\n+++ a.yaml (mended)\n@@")
    assert "\n-  epoch: 2     # short\n+  epochs: 2     # short\n" in printed.out
    assert "a.yaml: a\n" in printed.out
    assert Path("a.yaml").read_text() == GOOD
    Path("a.yaml").write_text(GOOD.replace("epochs", "epoch"))
    assert main(["check", "a.yaml", "--fix", "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["name"] == "a"
    assert printed.err.startswith("--- a.yaml\n")


def test_check_lists_what_it_cannot_mend(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(f"{HEAD}epoch: 3\noptimizer: adm\nsed: 3\n")
    assert main(["check", "a.yaml", "--fix"]) == 2
    printed = capsys.readouterr()
    assert "+seed: 3\n" in printed.out
    assert printed.err.count("error[") == 2
    assert 'a.yaml:5:12: unknown optimizer "adm"' in printed.err
    assert main(["check", "a.yaml", "--fix"]) == 2
    assert capsys.readouterr().out == ""


def test_check_without_it_mends_nothing() -> None:
    text = f"{HEAD}sed: 3\n"
    Path("a.yaml").write_text(text)
    assert main(["check", "a.yaml"]) == 2
    assert Path("a.yaml").read_text() == text


# ---------------------------------------------------------------- any config

CONFIGS = sorted(
    p for p in (ROOT / "configs").rglob("*.yaml") if p.parent.name != "sweeps"
)
WORD = re.compile(r"(?<![\w/.-])[a-z][a-z_0-9]{3,}(?=:| *[\],}]|$)", re.M)


def comments(text: str) -> list[str]:
    return re.findall(r"(?:^|\s)#.*", text)


@given(data=st.data())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_letters_that_changed_places(data: st.DataObject) -> None:
    """Words of our configs with two letters exchanged: they come back, or stay."""
    text = data.draw(st.sampled_from(CONFIGS)).read_text("utf-8")
    text = text.replace("extends: ", f"extends: {ROOT}/configs/")
    found = [m for m in WORD.finditer(text) if "#" not in line_of(text, m.start())]
    wrong = text
    for match in data.draw(st.lists(st.sampled_from(found), max_size=4, unique=True)):
        at = data.draw(st.integers(match.start(), match.end() - 2))
        wrong = wrong[:at] + wrong[at + 1] + wrong[at] + wrong[at + 2 :]
    done = after(wrong)
    assert comments(done) == comments(wrong)
    for now, before, good in zip(*map(str.split, (done, wrong, text)), strict=True):
        assert now in (before, good)


def line_of(text: str, at: int) -> str:
    return text[text.rfind("\n", 0, at) + 1 : at]
