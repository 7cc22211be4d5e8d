"""Every way to write a config wrong, with the exact place that is pointed at."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from nettrain.errors import Error, Errors

GOOD = """\
data: {source: moons}
model: [dense: 3]
"""

# What is added to GOOD; the code, line, column and width of the caret; part of the fix.
BAD = [
    # keys
    ("sed: 1", "config-unknown-key", 3, 1, 3, 'did you mean "seed"?'),
    ("zzz: 1", "config-unknown-key", 3, 1, 3, None),
    ('"a b": 1', "config-unknown-key", 3, 1, 5, None),
    ("train:\n  epoch: 3", "config-unknown-key", 4, 3, 5, 'did you mean "epochs"?'),
    ("train: {stop: {monitr: x}}", "config-unknown-key", 3, 16, 6, '"monitor"'),
    ("optimizer: {adam: {beta: 1}}", "config-unknown-key", 3, 20, 4, '"beta'),
    # keys in the wrong place
    ("learning_rate: 1", "config-unknown-key", 3, 1, 13, "optimizer.adam or optimizer"),
    ("epochs: 4", "config-unknown-key", 3, 1, 6, "it belongs in train"),
    ("patience: 4", "config-unknown-key", 3, 1, 8, "it belongs in train.stop"),
    ("batch_size: 4", "config-unknown-key", 3, 1, 10, "it belongs in data"),
    ("units: 4", "config-unknown-key", 3, 1, 5, "it belongs in model.dense1"),
    ("threshold: 1", "config-unknown-key", 3, 1, 9, "it belongs in diagnose"),
    ("adam: {}", "config-unknown-key", 3, 1, 4, "it belongs in optimizer"),
    ("dropout: 0.5", "config-unknown-key", 3, 1, 7, "it belongs in model"),
    ("rate: 0.5", "config-unknown-key", 3, 1, 4, "it belongs in model.dropout"),
    ("train: {seed: 1}", "config-unknown-key", 3, 9, 4, "at the top level"),
    (
        "optimizer: {adam: {momentum: 1}}",
        "config-unknown-key",
        3,
        20,
        8,
        "it belongs in optimizer.sgd",
    ),
    # keys that say what stands there instead
    ("data: {source: moons, x: 1}", "config-duplicate-key", 3, 1, 4, None),
    ("train: {data: 3}", "config-unknown-key", 3, 9, 4, "its keys are: epochs, steps"),
    ("train: {epochs:3}", "config-unknown-key", 3, 9, 8, 'a blank after the ":"'),
    ("optimizer: {adam: {lr: 1}}", "config-unknown-key", 3, 20, 2, '"learning_rate"'),
    ("optimizer: {adam: {peak: 1}}",
     "config-unknown-key", 3, 20, 4, "its keys are: learning_rate, beta1, beta2"),
    # keys that are none
    ("seed: 1\nseed: 2", "config-duplicate-key", 4, 1, 4, "remove one"),
    ("train: {steps: 1, steps: 1}", "config-duplicate-key", 3, 19, 5, "remove one"),
    ("1: x", "config-key", 3, 1, 1, 'write it in quotes: "1"'),
    ("true: x", "config-key", 3, 1, 4, 'write it in quotes: "true"'),
    ("? [a]\n: x", "config-key", 3, 3, 3, None),
    ("train: {null: x}", "config-key", 3, 9, 4, 'write it in quotes: "null"'),
    # missing keys
    ("train:\n  stop: {patience: 3}", "config-missing-key", 4, 3, 4, "add monitor:"),
    ("optimizer: {adam: {learning_rate: cosine}}",
     "config-missing-key", 3, 35, 6, "add peak:"),
    ("optimizer: {adam: {learning_rate: {cosine: }}}",
     "config-missing-key", 3, 36, 6, "add peak:"),
    # types and ranges
    ("seed: one", "config-type", 3, 7, 3, None),
    ("seed: 1.5", "config-type", 3, 7, 3, None),
    ("seed: true", "config-type", 3, 7, 4, None),
    ("seed: [1,\n  2]", "config-type", 3, 1, 4, None),
    ("seed:", "config-type", 3, 1, 4, None),
    ("name: 3", "config-type", 3, 7, 1, None),
    ("metrics: accuracy", "config-type", 3, 10, 8, "write it in brackets"),
    ("metrics:\n  - accuracy\n  - 3", "config-type", 5, 5, 1, None),
    ("train: 5", "config-type", 3, 8, 1, None),
    ("train: {epochs: 0}", "config-range", 3, 17, 1, None),
    ("train: {every: soon}", "config-type", 3, 16, 4, None),
    ("optimizer: {sgd: -1}", "config-range", 3, 18, 2, None),
    ("optimizer: {sgd: .inf}", "config-type", 3, 18, 4, None),
    ("optimizer: {sgd: .nan}", "config-type", 3, 18, 4, None),
    ("optimizer: {sgd: 1e400}", "config-type", 3, 18, 5, None),
    ("diagnose: maybe", "config-type", 3, 11, 5, None),
    ("seed: &s x\nname: *s", "config-type", 3, 7, 4, None),
    ("train: &t {epochs: 0}", "config-range", 3, 20, 1, None),
    ("name: &n 3", "config-type", 3, 7, 4, None),
    ("seed: 0x" + "f" * 300, "config-limit", 3, 7, 154, None),
    ("seed: " + "9" * 301, "config-limit", 3, 7, 154, None),
    ('seed: "3"', "config-type", 3, 7, 3, "write 3"),
    ("seed: 1e3", "config-type", 3, 7, 3, "write 1000"),
    ("seed: -9223372036854775808", "config-range", 3, 7, 20, None),
    ("seed: 1_000", "config-type", 3, 7, 5, "write 1000"),
    ("name: 2024", "config-type", 3, 7, 4, 'in quotes: "2024"'),
    ("diagnose: no", "config-type", 3, 11, 2, "write false"),
    ("train: 5", "config-type", 3, 8, 1, "its keys are: epochs"),
    ('optimizer: {adam: "0.1"}', "config-type", 3, 19, 5, "write 0.1"),
    ("optimizer: {adam: 1%}", "config-type", 3, 19, 2, "write 0.01"),
    ("optimizer: {adam: {beta2: 99 %}}", "config-type", 3, 27, 4, "write 0.99"),
    ("metrics: 3", "config-type", 3, 10, 1, None),
    # components
    ("optimizer: [adam]", "config-type", 3, 12, 6, "in no list: adam"),
    ("optimizer: Adam", "config-unknown-component", 3, 12, 4, '"adam"'),
    ("optimizer: adm", "config-unknown-component", 3, 12, 3, 'did you mean "adam"?'),
    ("optimizer: {adm: 1}", "config-unknown-component", 3, 13, 3, '"adam"'),
    ("optimizer: relu", "config-unknown-component", 3, 12, 4, "known: adam, sgd"),
    ("optimizer: 3", "config-type", 3, 12, 1, "known: adam, sgd"),
    ("optimizer:\n  adam:\n  beta1: .5",
     "config-type", 3, 1, 9, "put beta1 inside adam"),
    ("optimizer:\n  adam:\n    beta2: .5", "config-value", 4, 3, 4, None),
    # tags
    ("name: !!str x", "config-tag", 3, 7, 5, "plain value"),
    ("name: !mine x", "config-tag", 3, 7, 5, "plain value"),
    # extends and patch
    ("extends: [a.yaml]", "config-type", 3, 10, 8, None),
    ("extends: b.yaml", "config-missing-file", 3, 10, 6, None),
    ("extends: a.yaml", "config-extends", 3, 10, 6, None),
    ("patch: set", "config-type", 3, 8, 3, None),
    ("patch:\n  - {do: set, path: seed}", "config-value", 4, 5, 21, None),
    ("patch: [{do: put, path: a}]", "config-type", 3, 14, 3, None),
    ("patch: [{do: remove, pth: a}]", "config-unknown-key", 3, 22, 3, '"path"'),
    ("patch: [{do: remove, path: name}]", "config-unknown-key", 3, 28, 4, None),
    ("patch: [{do: remove, path: a..b}]", "config-value", 3, 28, 4, None),
    ("patch: [{do: set, path: model.dense2, value: 1}]",
     "config-unknown-key", 3, 25, 12, "it holds dense1"),
    ("patch: [{do: set, path: model.1, value: relu}]",
     "config-unknown-key", 3, 25, 7, None),
    ("patch: [{do: insert, path: data.source, value: x}]",
     "config-value", 3, 28, 11, "use set"),
    ("patch: [{do: set, path: seed, value: x}]", "config-type", 3, 38, 1, None),
    ("patch: [{do: set, path: sed, value: 1}]",
     "config-unknown-key", 3, 25, 3, 'did you mean "seed"?'),
    ("patch: [{do: set, path: a.b, value: 1}]", "config-unknown-key", 3, 25, 3, None),
    ("patch: [{do: remove, path: model.dense1.unit}]",
     "config-unknown-key", 3, 28, 17, 'did you mean "units"?'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "line", "column", "width", "fix"), BAD)
def test_one_error_at_its_place(
    text: str, code: str, line: int, column: int, width: int, fix: str | None, resolved
) -> None:
    with pytest.raises(Error) as caught:
        resolved(GOOD + text + "\n").build()
    errors = list(getattr(caught.value, "errors", [caught.value]))
    error = next(error for error in errors if error.code == code)
    place = error.place
    assert (place.file, place.line, place.column) == ("a.yaml", line, column)
    assert place.width == width
    assert error.exit_code == 2
    assert (fix in (error.fix or "")) if fix else "belongs" not in (error.fix or "")
    # An anchor's value may be wrong at its alias too; a misspelt key may be missed.
    others = {other.code for other in errors if other is not error}
    assert not others - {"config-missing-key"} or "&s" in text


def test_the_two_ways_into_a_layer(resolved) -> None:
    for text, column in [("[dense: x]", 16), ("[dense: {units: x}]", 24)]:
        with pytest.raises(Error) as caught:
            resolved(f"data: {{source: moons}}\nmodel: {text}\n").build()
        assert str(caught.value.place) == f"a.yaml:2:{column}"


def test_layers_go_by_their_names_in_messages(resolved) -> None:
    text = """\
    data: {source: moons}
    model:
      - relu
      - dense: {units: 3, x: 1}
      - residual: [dense, {dense: {units: 3, y: 1}}]
      - residual: {block: [dropout: {z: 1}]}
      - dense: {units: 2, name: head, q: 1}
    """
    with pytest.raises(Errors) as caught:
        resolved(dedent(text)).build()
    assert [error.message for error in caught.value.errors] == [
        'unknown key "x" in model.dense1',
        'missing key "units" in model.residual1.dense1',
        'unknown key "y" in model.residual1.dense2',
        'missing key "rate" in model.residual2.dropout1',
        'unknown key "z" in model.residual2.dropout1',
        'unknown key "q" in model.head',
    ]


def test_what_stands_under_a_misspelt_name_is_read_too(resolved) -> None:
    text = """\
    data: {sorce: {moons: {samples: 0}}}
    model: [Dense: {unit: x}]
    """
    with pytest.raises(Errors) as caught:
        resolved(dedent(text)).build()
    assert [(str(e.place), e.code) for e in caught.value.errors] == [
        ("a.yaml:1:8", "config-unknown-key"),
        ("a.yaml:1:33", "config-range"),
        ("a.yaml:2:9", "config-unknown-component"),
        ("a.yaml:2:17", "config-unknown-key"),
        ("a.yaml:2:23", "config-type"),
    ]


def test_a_tag_is_one_error(resolved) -> None:
    with pytest.raises(Error) as caught:
        resolved(GOOD + "seed: !!python/name:os\n").build()
    assert (caught.value.code, hasattr(caught.value, "errors")) == ("config-tag", False)


def test_similar_files_are_named_as_the_config_would(resolved) -> None:
    with pytest.raises(Error) as caught:
        resolved("extends: sub/bsae.yaml\n")
    assert caught.value.fix == "the folder sub does not exist"
    Path("sub").mkdir()
    Path("sub/base.yaml").touch()
    with pytest.raises(Error) as caught:
        resolved("extends: sub/bsae.yaml\n")
    assert caught.value.fix == "did you mean sub/base.yaml?"


def test_what_only_a_file_can_say(resolved) -> None:
    for text in ("extends=b.yaml", "patch=[]"):
        with pytest.raises(Error) as caught:
            resolved(GOOD, text).build()
        assert caught.value.code == "usage-override"
    with pytest.raises(Error) as caught:
        resolved(GOOD, "seed=3\nname: x").build()
    assert "\n" not in str(caught.value).splitlines()[0]
    assert "command line: seed=3 name: x" in str(caught.value)


def test_nested_layers_and_missing_sections(resolved) -> None:
    text = """\
    model:
      - residual:
          - dense: 3
          - dens: 3
      - branch: {paths: [[relu, dense]]}
    """
    with pytest.raises(Errors) as caught:
        resolved(dedent(text)).build()
    found = [(str(e.place), e.code) for e in caught.value.errors]
    assert found == [
        ("a.yaml:1:1", "config-missing-key"),
        ("a.yaml:4:9", "config-unknown-component"),
        ("a.yaml:5:29", "config-missing-key"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an empty file"),
        ("# nothing\n", "an empty file"),
        ("- a\n", '["a"]'),
        ("text", '"text"'),
    ],
)
def test_a_file_that_is_no_mapping(text: str, message: str, resolved) -> None:
    with pytest.raises(Error, match=re.escape(message)) as caught:
        resolved(text)
    assert caught.value.code == "config-type"


def test_all_errors_at_once_by_line_and_as_a_compiler_shows_them(resolved) -> None:
    text = """\
    learning_rte: 1
    data: {source: moons, batch_size: 0}
    model: [dense: {unit: 3}]
    extends: B.yaml
    seed: 1
    seed: 2
    """
    base = "optimizer: {adam: {learning_rte: 1}}\ntrain: {steps: -1}\n"
    with pytest.raises(Errors) as caught:
        resolved(dedent(text), "seed=x", "nonsense", "train.stop=[", B=base).build()
    places = [str(error.place) for error in caught.value.errors]
    assert places == [
        "a.yaml:1:1",
        "a.yaml:2:35",
        "a.yaml:3:17",
        "a.yaml:6:1",
        "B.yaml:1:20",
        "B.yaml:2:16",
        "command line: nonsense",
        "command line: seed=x",
        "command line: train.stop=[",
    ]
    assert str(caught.value.errors[4]) == (
        'error[config-unknown-key] B.yaml:1:20: unknown key "learning_rte" in '
        "optimizer.adam\n"
        "      1 | optimizer: {adam: {learning_rte: 1}}\n"
        "        |                    ^^^^^^^^^^^^\n"
        '  did you mean "learning_rate"?'
    )


def test_a_key_belongs_where_this_config_would_take_it(resolved) -> None:
    cases = {
        "learning_rate: 1\noptimizer: sgd": "it belongs in optimizer.sgd",
        "relu: 1": "it belongs in model",
        "slope: 1": "it belongs in model.dense1.activation.leaky_relu",
        "peak: 1\noptimizer: {adam: {learning_rate: {cosine: 1}}}": (
            "it belongs in optimizer.adam.learning_rate.cosine"
        ),
    }
    model = (
        "data: {source: moons}\nmodel: [dense: {units: 3, activation: leaky_relu}]\n"
    )
    for text, fix in cases.items():
        with pytest.raises(Error) as caught:
            resolved(model + text).build()
        assert caught.value.fix == fix


def test_a_component_without_settings_says_so(resolved) -> None:
    with pytest.raises(Error) as caught:
        resolved("data: {source: moons}\nmodel: [relu: {slope: 1}]\n").build()
    assert caught.value.fix == "did you mean the layer `leaky_relu`?"


def test_a_section_that_stands_elsewhere_is_not_missed_too(resolved) -> None:
    with pytest.raises(Error) as caught:
        resolved("source: moons\nmodel: [dense: 1]\n").build()
    assert caught.value.fix == "it belongs in data"
    with pytest.raises(Error) as caught:
        resolved("source: moons\n").build()
    errors = [error.message for error in caught.value.errors]
    assert errors == ['unknown key "source"', 'missing key "model"']


def test_many_places_are_not_all_listed(resolved) -> None:
    text = "data: {source: moons}\nmodel: [dense: 1, dense: 2, dense: 3, dense: 4]\n"
    with pytest.raises(Error) as caught:
        resolved(text + "units: 3").build()
    assert caught.value.fix == "it belongs in model.dense1, model.dense2 or others"


def test_extending_in_a_circle(resolved, tmp_path: Path) -> None:
    with pytest.raises(Error, match="extends itself") as caught:
        resolved("extends: b.yaml", b="seed: 1\nextends: ./a.yaml")
    assert str(caught.value.place) == "b.yaml:2:10"
    with pytest.raises(Error, match="more than 20"):
        chain = {f"c{i}": f"extends: c{i + 1}.yaml" for i in range(30)}
        resolved("extends: c0.yaml", **chain)
