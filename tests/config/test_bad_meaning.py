"""Settings that do not fit each other, the data, or what a config builds on."""

from __future__ import annotations

import pytest

GOOD = """\
name: net
seed: 0
data:
  source: iris
  split: {validation: 0.2, test: 0.2}
  preprocess: [standardize]
  batch_size: 16
model:
  - dense: {units: 8, activation: relu}
  - dense: 3
loss: cross_entropy
metrics: [accuracy]
optimizer: {adam: {learning_rate: 0.01}}
train:
  epochs: 2
  stop: {monitor: validation/loss, patience: 2}
  checkpoint: {every: 1 epoch, keep: 3}
diagnose: true
executor: numpy
threads: 1
dtype: float32
"""
MODEL = GOOD[GOOD.index("model:") : GOOD.index("loss:")]
SOURCE = GOOD[GOOD.index("  source:") : GOOD.index("  preprocess:")]

# What is replaced in GOOD, and by what: what is pointed at stands between « and ».
BAD: dict[str, list[tuple[str, str, str | None]]] = {
    "- dense: 3": [
        ("- dense: «2»", "config-head", "needs 3 for each"),
        ("- dense: «1»", "config-head", "`dense: auto`"),
        ("- dense: {units: «10», name: head}", "config-head", "needs 3"),
        ("- dense: «4»\n  - dropout: 0.5", "config-head", "gives 4"),
        ("- dense: «4»\n  - batch_norm\n  - relu", "config-head", "gives 4"),
        ("- «residual»: [dense: 5]\n  - dense: 3", "config-residual", "8 units"),
        ("- repeat: {times: 2, block: [«residual»: [dense: 5]]}\n  - dense: 3",
         "config-residual", "repeat1/1"),
        ("- dense: {units: 3, name: «dense1»}", "config-name", "another name"),
        ("- dense: {units: 3, name: «a/b»}", "config-value", "a letter"),
        ("- dense: {units: 3, name: «a.b»}", "config-value", "a letter"),
        ("- dense: {units: 3, name: «'1'»}", "config-value", "a letter"),
        ("- dense: {units: 3, name: «../x»}", "config-value", "a letter"),
        ("- dense: {units: 3, activation: «softmax»}",
         "config-double-activation", "remove softmax"),
        ("- dense: 3\n  - «softmax»", "config-double-activation", "remove softmax"),
        ("- dense: {units: 3, activation: «log_softmax»}",
         "config-double-activation", "remove log_softmax"),
        ("- repeat: {times: 2, block: [dense: 3, «softmax»]}",
         "config-double-activation", "remove softmax"),
    ],
    MODEL: [
        ("model: [«relu»]\n", "config-head", "add `dense: 3`"),
        ("model: [«flatten»]\n", "config-head", "add `dense: 3`"),
        ("model: [«sequential»: []]\n", "config-model", "holds no layers"),
        ("model: «[]»\n", "config-model", "dense: auto"),
        ("model: «[repeat: {times: 1000, block: [repeat: {times: 1000, block:"
         " [relu]}]}, dense: 3]»\n",
         "config-limit", "10,000"),
    ],
    "loss: cross_entropy": [
        ("loss: «binary_cross_entropy»", "config-loss", "two classes"),
        ("loss: {cross_entropy: {class_weights: «[1, 2]»}}",
         "config-class-weights", "3 classes"),
        ("loss: {cross_entropy: {class_weights: «[]»}}",
         "config-class-weights", "3 classes"),
        ("loss: {cross_entropy: {class_weights: «[0, 0, 0]»}}",
         "config-class-weights", "above 0"),
    ],
    "metrics: [accuracy]": [
        ("metrics: [accuracy, «rmse»]", "config-metric", "for classification"),
        ("metrics: [accuracy, «accuracy»]", "config-metric", "stands twice"),
    ],
    "source: iris": [
        ("source: «diabetes»", "config-task", "say loss: mse"),
        ("source: iris\n  standardize_target: «true»",
         "config-standardize-target", "mse"),
    ],
    "validation/loss": [
        ("«validation/los»", "config-monitor", 'did you mean "validation/loss"?'),
        ("«val_loss»", "config-monitor", 'did you mean "validation/loss"?'),
        ("«trian/loss»", "config-monitor", 'did you mean "train/loss"?'),
        ("«train_acc»", "config-monitor", 'did you mean "train/accuracy"?'),
        ("«val_f1»", "config-monitor", "add f1 to metrics"),
        ("«loss»", "config-monitor", 'did you mean "validation/loss"?'),
        ("«validation/f1»", "config-monitor", "add f1 to metrics"),
        ("«test/loss»", "config-monitor", 'did you mean "validation/loss"?'),
        ("«validation/accuracyx»", "config-monitor", None),
        ("«validation/confusion»", "config-monitor", "computed are"),
        ("«''»", "config-monitor", "computed are"),
    ],
    "split: {validation: 0.2, test: 0.2}": [
        ("«split»: {validation: 0.6, test: 0.6}", "config-split", "below 1"),
    ],
    "validation: 0.2": [
        ("validation: «0.001»", "config-split", "none is left"),
    ],
    "validation: 0.2, test: 0.2": [
        ("validation: 0.2, test: «0.001»", "config-split", "none is left"),
    ],
    "batch_size: 16": [
        ("shape: «[8, 8]»", "config-shape", "a row has 4"),
        ("shape: «[1, 5]»", "config-shape", "a row has 4"),
        ("«shape»: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,"
         " 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4]",
         "config-shape", "axes"),
        ("columns: {«x»: ignore}", "config-unknown-column", "no column"),
        ("columns: {«sepal length»: ignore}",
         "config-unknown-column", '"sepal length (cm)"'),
        ("columns: «[a]»", "config-type", "a mapping"),
        ("columns: {a: «number»}", "config-type", '"numeric"'),
        ("missing: «mena»", "config-type", '"mean"'),
        ("missing: {«x»: mean}", "config-unknown-column", "no column"),
        ("target: «x»", "config-unknown-column", "the columns are"),
        ("task: «classify»", "config-type", '"classification"'),
    ],
    "preprocess: [standardize]": [
        ("preprocess: [«one_hot»]", "config-preprocess", "no categorical column"),
    ],
    SOURCE: [
        ("  source: «absent.csv»\n", "data-missing-file", "absent.csv"),
        ("  source: «absent.tsv»\n", "data-missing-file", "absent.tsv"),
        ("  source: «tabl.csv»\n", "data-missing-file", 'did you mean "table.csv"?'),
        ("  source: «.»\n", "config-type", ".csv"),
        ("  source: «folder.csv»\n", "data-unreadable-file", "directory"),
        ("  source: table.csv\n  target: «z»\n", "config-unknown-column", "no column"),
        ("  source: table.csv\n  target: «Y»\n",
         "config-unknown-column", 'did you mean "y"?'),
        ("  source: table.csv\n  target: [«zz», y]\n", "config-unknown-column", "zz"),
        ("  source: table.csv\n  target: «[]»\n",
         "config-missing-key", "one of a, b, zone, y"),
        ("  source: table.csv\n  target: [y, «y»]\n", "config-value", "named twice"),
        ("  source: table.csv\n  target: «3»\n", "config-type", "text"),
        ("  source: table.csv\n  target: y\n  columns: {«zon»: ignore}\n",
         "config-unknown-column", '"zone"'),
        ("  source: table.csv\n  target: y\n  columns: {y: «ignore»}\n",
         "config-columns", "is ignored"),
        ("  source: table.csv\n  target: y\n  columns: «{a: ignore, b: ignore,"
         " zone: ignore}»\n",
         "config-columns", "no column left"),
        ("  source: table.csv\n  target: y\n  missing: {zone: «mean»}\n",
         "config-missing", "most_frequent"),
        ("  source: {file: {path: table.csv, delimiter: «''»}}\n  target: y\n",
         "config-value", "one character"),
        ("  source: {file: {path: table.csv, delimiter: «ab»}}\n  target: y\n",
         "config-value", "one character"),
        ("  source: {file: {«pth»: table.csv}}\n  target: y\n",
         "config-unknown-key", '"path"'),
        ("  source: table.csv\n  target: y\n  split: {validation: «table.tsv»}\n",
         "data-missing-file", 'did you mean "table.csv"?'),
    ],
    "data:\n  source: iris\n  split: {validation: 0.2, test: 0.2}\n": [
        ("«data»:\n  source: table.csv\n",
         "config-missing-key", "one of a, b, zone, y"),
    ],
    "learning_rate: 0.01": [
        ("learning_rate: {plateau: {initial: 0.1, factor: «2»}}",
         "config-range", "below 1"),
        ("learning_rate: {cosine: {peak: 0.1, final: «-1»}}",
         "config-range", "at least 0"),
        ("learning_rate: {cosine: {peak: 0.1, «warmpu»: 5 %}}",
         "config-unknown-key", '"warmup"'),
    ],
    "name: net": [
        ("extends: «absent.yaml»", "config-missing-file", "absent.yaml"),
        ("extends: «config.yaml»", "config-extends", "extends itself"),
        ("extends: «./config.yaml»", "config-extends", "extends itself"),
        ("extends: «[b.yaml]»", "config-type", "path of a config"),
        ("«extends»:", "config-type", "path of a config"),
        ("extends: «.»", "config-unreadable", "cannot read"),
        ("extends: «''»", "config-unreadable", "cannot read"),
        ('extends: «"\\uD800"»', "config-type", "path of a config"),
        ('extends: «"a\\0b"»', "config-type", "path of a config"),
        ("«extend»: b.yaml", "config-unknown-key", '"extends"'),
        ("«patches»: []", "config-unknown-key", '"patch"'),
        ("«patch»:", "config-type", "a list"),
        ("patch: «{do: set}»", "config-type", "as a list"),
        ("patch: [{do: «change», path: seed, value: 1}]", "config-type", '"set"'),
        ("patch: [«{do: set, path: seed}»]", "config-value", "needs a value"),
        ("patch: [«{do: remove, path: seed, value: 1}»]",
         "config-value", "takes no value"),
        ("patch: [«do: set»]", "config-missing-key", "add path: text"),
        ("patch: [{do: set, path: «sed», value: 1}]", "config-unknown-key", '"seed"'),
        ("patch: [{do: set, path: seed, value: «x»}]", "config-type", "an integer"),
        ("patch: [{do: remove, path: «model.dense3»}]", "config-unknown-key", '"dense'),
        ("patch: [{do: remove, path: «model.5»}]", "config-unknown-key", None),
        ("patch: [{do: insert, path: «seed», value: 1}]", "config-value", "use set"),
        ("patch: [{do: set, path: «seed.x», value: 1}]",
         "config-unknown-key", "has no"),
        ("patch: [{do: set, path: «''», value: 1}]", "config-value", "no path"),
        ("patch: [{do: set, path: «optimizer.learning_rate», value: 1}]",
         "config-unknown-component", "optimizer.adam.learning_rate"),
        ("patch: [{do: set, path: «3», value: 1}]", "config-type", "text"),
        ("patch: [{do: set, path: model.dense2.units, value: «4»}]",
         "config-head", "needs 3"),
    ],
}  # fmt: skip
CASES = [(old, *case) for old, cases in BAD.items() for case in cases]


@pytest.mark.parametrize(("old", "new", "code", "said"), CASES)
def test_one_mistake_at_its_place(
    old: str, new: str, code: str, said: str | None, one_mistake
) -> None:
    assert old in GOOD
    one_mistake(GOOD.replace(old, new, 1), code, said)


def changed(*changes: tuple[str, str]) -> str:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        (
            [("cross_entropy", "mse"), ("[accuracy]", "[rmse]"), ("iris", "«iris»")],
            "config-task",
            "say loss: cross_entropy",
        ),
        (
            [
                ("iris", "iris\n  task: regression"),
                ("cross_entropy", "«cross_entropy»"),
            ],
            "config-task",
            "leave data.task out",
        ),
        (
            [("validation: 0.2, ", ""), ("validation/loss", "«validation/loss»")],
            "config-monitor",
            "no rows are kept",
        ),
        (
            [("name: net", "patch: [{do: remove, path: model.dense2}]"), ("8", "«8»")],
            "config-head",
            "gives 8 outputs",
        ),
        (
            [
                ("name: net", "extends: b.yaml"),
                (MODEL, ""),
                ("cross_entropy", "cross_entropy"),
            ],
            "config-missing-key",
            "add model:",
        ),
    ],
)
def test_settings_far_apart_contradict_each_other(
    changes: list[tuple[str, str]], code: str, said: str, one_mistake
) -> None:
    one_mistake(changed(*changes), code, said, **{"b.yaml": "seed: 1\n"})


# What is said on the command line; the code; a part of what is said.
OVERRIDES = [
    ("", "usage-override", "seed=3"),
    ("seed", "usage-override", "expected KEY=VALUE"),
    ("--seed=3", "config-unknown-key", "seed"),
    ("=3", "usage-override", "expected KEY=VALUE"),
    ("seed==3", "config-type", "expected an integer"),
    ("seed.=3", "usage-override", "expected KEY=VALUE"),
    (".seed=3", "usage-override", "expected KEY=VALUE"),
    ("se ed=3", "usage-override", "expected KEY=VALUE"),
    ("seed:3", "usage-override", "expected KEY=VALUE"),
    ("seed=", "config-type", "got nothing"),
    ("seed=one", "config-type", "expected an integer"),
    ("seed=1e3", "config-type", "write 1000"),
    ("seed=-1", "config-range", "at least 0"),
    ("seed=[", "config-syntax", "close the bracket"),
    ("seed='", "config-syntax", "close the quote"),
    ("seed=!!int 3", "config-tag", "plain value"),
    ("seed=*a", "config-syntax", "no anchor"),
    ("seed=\x1b", "config-syntax", "U+001B"),
    ("seed=\udcff", "config-syntax", "U+DCFF"),
    ("sed=3", "config-unknown-key", 'did you mean "seed"?'),
    ("SEED=3", "config-unknown-key", 'did you mean "seed"?'),
    ("learning_rate=3", "config-unknown-key", "it belongs in optimizer.adam"),
    ("optimizer.learning_rate=3", "config-unknown-component", "optimizer.adam."),
    ("optimizer.adam.lr=3", "config-unknown-key", '"learning_rate"'),
    ("optimizer=tiger", "config-unknown-component", "known: adadelta"),
    ("optimizer.tiger.learning_rate=3", "config-unknown-component", "known: adadelta"),
    ("model.dense3.units=3", "config-unknown-key", '"dense'),
    ("model.2.dense.units=3", "config-unknown-key", "0, 1"),
    ("model.dense1.units=0", "config-range", "at least 1"),
    ("model.dense2.units=4", "config-head", "needs 3"),
    ("model=[]", "config-model", "no layers"),
    ("metrics=accuracy", "config-type", "in brackets"),
    ("data.split.validation=1", "config-split", "below 1"),
    ("data.source=absent.csv", "data-missing-file", "absent.csv"),
    ("train.steps=3", "config-conflict", "leave one"),
    ("train.stop.monitor=x", "config-monitor", "computed are"),
    ("extends=b.yaml", "usage-override", "in a file only"),
    ("patch=[]", "usage-override", "in a file only"),
    ("name.x=3", "config-unknown-key", "has no"),
    ("a" * 300 + "=3", "config-unknown-key", "its keys are"),
    ("a." * 60 + "b=3", "config-limit", "50 names"),
]


@pytest.mark.parametrize(("override", "code", "said"), OVERRIDES)
def test_mistakes_on_the_command_line(
    override: str, code: str, said: str, mistakes
) -> None:
    (error,) = mistakes(GOOD, override)
    assert error.code == code
    assert error.exit_code == (3 if code.startswith("data") else 2)
    assert said in str(error)
    place = str(error.place)
    assert place.startswith("command line") or code in (
        "config-split",
        "config-conflict",
    )
    assert place.isprintable()
    assert len(place) < 250


def test_mistakes_in_what_a_config_extends_are_shown_there(one_mistake) -> None:
    base = "optimizer: {adam: {«learning_rte»: 0.1}}\n"
    text = changed(("optimizer: {adam: {learning_rate: 0.01}}", "extends: b.yaml"))
    one_mistake(text, "config-unknown-key", '"learning_rate"', **{"b.yaml": base})
    base = "extends: «config.yaml»\n"
    one_mistake(text, "config-extends", "extends itself", **{"b.yaml": base})
