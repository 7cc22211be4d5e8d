from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest

from nettrain.component import (
    Component,
    Count,
    Instead,
    Positive,
    Range,
    Share,
    alike,
    build,
    build_fields,
    closest,
    describe,
    dump,
    json_schema,
    listed,
    phrase,
    register,
    registered,
    show,
    suggest,
)
from nettrain.component.words import slips
from nettrain.errors import Error
from nettrain.span import Span


class Part(Component):
    """A family for these tests."""

    kind = "part"


class Bolt(Component):
    """Another family, which has a short form of its own."""

    kind = "engine bolt"

    @classmethod
    def shorthand(cls, value: object) -> Component | None:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return Steel(value)
        return None


@register("test_steel")
class Steel(Bolt):
    """A bolt of steel.

    Attributes:
        length: in millimetres.
    """

    length: Positive = 1.0


@register("test_plain")
class Plain(Part):
    """Nothing to set."""


@register("test_plate")
class Plate(Part):
    """A plate that is held by bolts.

    More is said here.

    Attributes:
        width: in millimetres, which is
            a length.
        bolt: what holds it.
        finish: how it is made smooth.
        inner: what lies within.
        every: how often it is turned.
        share: of the whole.
    """

    width: Count
    bolt: Bolt = Steel(2.0)
    finish: Literal["rough", "smooth", 3] | None = None
    inner: tuple[Part, ...] = ()
    every: Span = Span(1, "epochs")
    share: Share = 0.5

    def check(self) -> Iterator[str]:
        if self.width == 13:
            yield "width 13 brings bad luck"
        if self.finish == 3 and self.width > 100:
            yield "a wide plate has no finish 3"


@dataclasses.dataclass(frozen=True)
class Machine:
    """The whole.

    Attributes:
        name: of the machine.
        parts: from top to bottom.
        bolts: by place.
    """

    name: str
    parts: tuple[Part, ...] = ()
    bolts: dict[str, Bolt] = dataclasses.field(default_factory=dict)


def _part(value):
    problems = []
    return build(Part, value, ("parts", 0), problems), problems


def _problem(value):
    _, (problem,) = _part(value)
    return problem


# ---------------------------------------------------------------- building


def test_three_ways_to_write_a_component_mean_the_same():
    expected = Plate(64)
    for value in (
        {"test_plate": 64},
        {"test_plate": {"width": 64}},
        {"test_plate": {"width": 64, "bolt": {"test_steel": 2}}},
        {"test_plate": {"width": 64, "bolt": 2.0}},
        expected,
    ):
        assert _part(value) == (expected, [])
    for value in ("test_plain", {"test_plain": None}, {"test_plain": {}}):
        assert _part(value) == (Plain(), [])


def test_constructor_converts_like_the_config():
    made = Plate(64, bolt=3, inner=["test_plain"], every="10 steps")
    assert made.bolt == Steel(3.0)
    assert isinstance(made.bolt.length, float)
    assert made.inner == (Plain(),)
    assert made.every == Span(10, "steps")


def test_constructor_raises_what_the_config_would_report():
    with pytest.raises(Error, match="length: expected a number above 0") as caught:
        Plate(64, bolt={"test_steel": {"length": 0}})
    assert caught.value.code == "config-range"
    with pytest.raises(Error) as caught:
        Plate(0, share=2)
    assert len(caught.value.errors) == 2


def test_components_are_frozen_and_equal_by_value():
    assert Plate(1) == Plate(1)
    assert hash(Plate(1)) == hash(Plate(1))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Plate(1).width = 2


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({"test_plate": "wide"}, (), 'expected an integer, got "wide"'),
        ({"test_plate": {"width": 1.0}}, ("width",), "expected an integer, got 1.0"),
        ({"test_plate": {"width": True}}, ("width",), "expected an integer, got true"),
        (
            {"test_plate": {"width": 1, "share": float("nan")}},
            ("share",),
            "expected a finite number, got nan",
        ),
        (
            {"test_plate": {"width": 1, "finish": "rogh"}},
            ("finish",),
            'expected "rough" or "smooth" or 3, got "rogh"',
        ),
        (
            {"test_plate": {"width": 1, "inner": "test_plain"}},
            ("inner",),
            'expected a list of parts, got "test_plain"',
        ),
        (
            {"test_plate": {"width": 1, "every": "1 day"}},
            ("every",),
            'expected a length such as "10 steps", "1 epoch" or "5 %", got "1 day"',
        ),
    ],
)
def test_wrong_type_names_place_expectation_and_value(value, path, message):
    problem = _problem(value)
    assert problem.code == "config-type"
    assert problem.path == ("parts", 0, "test_plate", *path)
    assert problem.message == message


def test_wrong_choice_suggests_the_nearest():
    problem = _problem({"test_plate": {"width": 1, "finish": "rogh"}})
    assert problem.fix == 'did you mean "rough"?'


def test_number_out_of_range():
    problem = _problem({"test_plate": 0})
    assert (problem.code, problem.path) == ("config-range", ("parts", 0, "test_plate"))
    assert problem.message == "expected an integer at least 1, got 0"


def test_problem_inside_a_union_member_is_kept():
    problems = []
    build(Bolt | None, {"test_steel": {"lenth": 1}}, ("bolt",), problems)
    (problem,) = problems
    assert problem.code == "config-unknown-key"
    assert problem.path == ("bolt", "test_steel", "lenth")
    assert build(Bolt | None, None, (), []) is None


def test_unknown_component_is_named_with_a_suggestion():
    problem = _problem("test_plan")
    assert problem.code == "config-unknown-component"
    assert problem.message == 'unknown part "test_plan"'
    assert problem.fix == 'did you mean "test_plain"?'
    assert (problem.path, problem.at_key) == (("parts", 0), False)
    problem = _problem({"test_plat": 3})
    assert (problem.path, problem.at_key) == (("parts", 0, "test_plat"), True)


def test_component_of_another_family_is_unknown_here():
    assert _problem("test_steel").code == "config-unknown-component"


@pytest.mark.parametrize("value", [None, 3, [], {}, {"test_plain": 1, "b": 2}])
def test_what_cannot_be_a_component(value):
    problem = _problem(value)
    assert problem.message == f"expected a part, got {show(value)}"
    assert "test_plain" in problem.fix


def test_component_without_settings_takes_none():
    assert _problem({"test_plain": 3}).message == '"test_plain" takes no value'


def test_all_problems_are_found_at_once():
    value = {
        "parts": [{"test_plate": {"widht": 1, "share": 2}}, "nothing"],
        "bolts": {"left": -1, "right": 1},
        "nmae": "x",
    }
    problems = []
    build_fields(Machine, value, (), problems)
    found = {(problem.code, problem.path) for problem in problems}
    plate = ("parts", 0, "test_plate")
    assert found >= {
        ("config-unknown-key", (*plate, "widht")),
        ("config-range", (*plate, "share")),
        ("config-unknown-component", ("parts", 1)),
        ("config-unknown-key", ("nmae",)),
    }
    assert not any(code == "config-missing-key" for code, _ in found)
    with pytest.raises(Error) as caught:
        build_fields(Machine, value)
    assert len(caught.value.errors) == len(problems)


def test_rules_over_several_fields_are_checked_together():
    problem = _problem({"test_plate": 13})
    assert problem.message == "width 13 brings bad luck"
    assert problem.path == ("parts", 0, "test_plate")
    assert _part({"test_plate": {"width": 101, "finish": 3}})[1]


# ---------------------------------------------------------------- back to plain values


def test_what_is_dumped_spells_out_defaults_and_builds_the_same():
    machine = build_fields(
        Machine,
        {
            "name": "m",
            "parts": [
                "test_plain",
                {"test_plate": {"width": 3, "inner": [{"test_plate": 1}]}},
            ],
            "bolts": {"left": 5},
        },
    )
    plain = dump(machine)
    assert plain["parts"][0] == "test_plain"
    assert plain["parts"][1]["test_plate"]["every"] == "1 epoch"
    assert plain["bolts"] == {"left": {"test_steel": {"length": 5.0}}}
    assert build_fields(Machine, plain) == machine
    assert dump(build_fields(Machine, plain)) == plain


# ---------------------------------------------------------------- documentation


def test_registered_is_by_family_in_order():
    assert list(registered(Part)) == ["test_plain", "test_plate"]
    assert list(registered(Bolt)) == ["test_steel"]


def test_docstring_gives_summary_and_fields():
    summary, fields = describe(Plate)
    assert summary == "A plate that is held by bolts.\n\nMore is said here."
    by_name = {field.name: field for field in fields}
    assert by_name["width"].meaning == "in millimetres, which is a length."
    assert by_name["width"].type == "an integer at least 1"
    assert by_name["width"].default is dataclasses.MISSING
    assert by_name["bolt"].default == {"test_steel": {"length": 2.0}}
    assert by_name["bolt"].type == "an engine bolt"
    assert by_name["every"].default == "1 epoch"
    assert {f.name: f.default for f in describe(Machine)[1]}["bolts"] == {}


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "an integer"),
        (Positive, "a number above 0"),
        (Share, "a number at least 0 and at most 1"),
        (Annotated[float, Range(below=1)], "a number below 1"),
        (tuple[float, ...], "a list of numbers"),
        (
            tuple[Annotated[int, Range(at_least=1)], ...],
            "a list of integers at least 1",
        ),
        (tuple[tuple[Part, ...], ...], "a list of lists of parts"),
        (str | None, "text or nothing"),
        (Machine, "a mapping of settings"),
        (Any, "anything"),
    ],
)
def test_annotation_in_words(annotation, words):
    assert phrase(annotation) == words


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("sed", "seed"),
        ("ReLU", "relu"),
        ("SGD", "sgd"),
        ("lr", "learning_rate"),
        ("bce", "binary_cross_entropy"),
        ("CrossEntropy", "cross_entropy"),
        ("stddev", "std"),
        ("drop", "dropout"),
        ("branch", None),
        ("k", None),
        ("", None),
    ],
)
def test_what_was_perhaps_meant(name, close):
    known = ["binary_cross_entropy", "cross_entropy", "dropout", "learning_rate"]
    known += ["relu", "seed", "sgd", "std", "tanh", "top_k"]
    assert closest(name, known) == close


@pytest.mark.parametrize(
    ("value", "annotation", "fix"),
    [
        ("0.1", float, "write 0.1"),
        ("1e-3", float, "write 0.001"),
        ("1_000", int, "write 1000"),
        (1000.0, int, "write 1000"),
        (2.5, int, None),
        ("15 %", float, "write 0.15"),
        ("fast", float, None),
        ("nan", float, None),
        ("off", bool, "write false"),
        ("True", bool, "write true"),
        (3, str, 'write it in quotes: "3"'),
        (True, str, 'write it in quotes: "true"'),
        (None, str, None),
    ],
)
def test_what_to_write_instead(value, annotation, fix):
    problems = []
    build(annotation, value, (), problems)
    assert [problem.fix for problem in problems] == [fix]


def test_a_suggestion_is_an_edit_only_where_nothing_else_can_be_meant():
    known = ["beta1", "beta2", "epochs"]
    assert suggest("epoch", known).edit == Instead("epochs")
    assert suggest("ebta1", known).edit == Instead("beta1")
    beta = suggest("beta", known)
    assert (beta[:18], beta.edit) == ('did you mean "beta', None)
    for annotation, edit in [
        (Literal["north"] | int, Instead("north")),
        (Literal["north"] | tuple[Literal["north", "south"], ...], Instead("north")),
        (Literal["north"] | Annotated[Literal["norty"], "x"], None),
    ]:
        problems = []
        build(annotation, "norht" if edit else "nortx", (), problems)
        assert getattr(problems[0].fix, "edit", None) == edit


LAYERS = ["conv2d", "dense", "dropout", "elu", "layer_norm", "max_pool1d", "prelu"]
LAYERS += ["lstm", "max_pool2d", "relu", "residual"]


@pytest.mark.parametrize(
    ("name", "fix", "edit"),
    [
        ("dnse", "dense", True),
        ("DENSE", "dense", True),
        ("dense,", "dense", True),
        ("denses", "dense", True),
        ("densee", "dense", True),
        ("reul", "relu", True),
        ("layernorm", "layer_norm", True),
        ("drop", "dropout", True),
        ("resid", "residual", True),
        ("max_pool", "max_pool1d", False),  # or 2d
        ("rrelu", "prelu", False),  # a letter more is another name
        ("nelu", "elu", False),
        ("plstm", "lstm", False),
        ("dense(auto)", "dense", False),  # these say more
        ("dense 8", "dense", False),
        ("dense8", "dense", False),
        ("my_dense", "dense", False),
        ("dense_net", "dense", False),
        ("conv3d", None, False),
        ("8 dropout", "dropout", False),
        ("zero", None, False),
    ],
)
def test_an_edit_loses_nothing(name, fix, edit):
    found = suggest(name, LAYERS)
    assert found == (fix and f'did you mean "{fix}"?')
    assert getattr(found, "edit", None) == (Instead(fix) if edit else None)


def test_slips_are_counted():
    for wrong, right, off in [
        ("", "", 0),
        ("abc", "abc", 0),
        ("abc", "abcd", 1),
        ("abcd", "acd", 1),
        ("abc", "axc", 1),
        ("abc", "acb", 1),
        ("abcd", "badc", 2),
        ("abc", "ca", 3),  # letters that changed places are not parted again
        ("kitten", "sitting", 3),
        ("kitten", "written", 2),
    ]:
        assert slips(wrong, right, 9) == slips(right, wrong, 9) == off
        assert slips(wrong, right, 1) == min(off, 2)


def test_the_nearest_names_come_first():
    assert alike("lss", ["loss", "less", "last", "x"]) == ["loss", "less", "last"]
    assert alike("tiem", ["time", "them", "item"]) == ["time", "item"]
    assert alike("wine2", ["wine1", "wine"]) == []
    assert alike("a", ["b"]) == []


@pytest.mark.parametrize(
    ("annotation", "value", "fix", "edit"),
    [
        (float, "0,003", "write 0.003", 0.003),
        (float, "1,003", None, None),
        (int, "8;", "write 8", 8),
        (bool, "True,", "write true", True),
        (int | None, "None", "write null", None),
        (Count, -64, "did you mean 64?", ...),
        (Count, 0, None, ...),
        (Share, 15, "did you mean 0.15?", ...),
        (Share, 150, None, ...),
        (Annotated[int, Range(at_most=5)], 9, None, ...),
        (Share, -0.5, "did you mean 0.5?", ...),
        (tuple[Literal["north"], ...], "norht", "write it in brackets: [\"north\"]",
         ["north"]),
        (tuple[Literal["north"], ...], "far", None, ...),
    ],
)  # fmt: skip
def test_what_was_meant_by_a_value(annotation, value, fix, edit):
    problems = []
    build(annotation, value, (), problems)
    assert [problem.fix for problem in problems] == [fix]
    found = getattr(problems[0].fix, "edit", None)
    assert found == (Instead(edit) if fix and edit is not ... else None)


def test_names_in_a_row_are_cut():
    assert listed("abc") == "a, b, c"
    assert listed("abc", 2) == "a, b, …"


def test_shown_values_are_cut():
    assert show({"a": [True, None, "x"]}) == '{a: [true, nothing, "x"]}'
    assert len(show("x" * 100)) <= 60
    assert show(Steel()) == "test_steel"


def test_schema_holds_families_once_and_their_bounds():
    schema = json_schema(Machine)
    assert schema["required"] == ["name"]
    assert schema["additionalProperties"] is False
    assert list(schema["$defs"]) == ["Bolt", "BoltName", "Part", "PartName"]
    mapping, name = schema["properties"]["parts"]["items"]["anyOf"]
    assert mapping["then"] == {"$ref": "#/$defs/Part"}
    assert name == {"$ref": "#/$defs/PartName"}
    assert schema["$defs"]["PartName"]["enum"] == ["test_plain"]
    part = schema["$defs"]["Part"]
    assert (part["additionalProperties"], part["maxProperties"]) == (False, 1)
    fields, first = part["properties"]["test_plate"]["anyOf"]
    assert first == {"type": "integer", "minimum": 1}
    told = "test_plate: expected an integer at least 1, its width, or a mapping of"
    assert fields["errorMessage"] == f"{told} settings"
    type_ = "A number at least 0 and at most 1; default 0.5."
    assert fields["then"]["properties"]["share"] == {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": f"of the whole.\n\n{type_}",
        "default": 0.5,
    }
    inner = fields["then"]["properties"]["inner"]["items"]
    assert inner == schema["properties"]["parts"]["items"]
    bolts = schema["properties"]["bolts"]["additionalProperties"]["anyOf"]
    assert bolts[-1] == {"type": ["string", "number"]}
