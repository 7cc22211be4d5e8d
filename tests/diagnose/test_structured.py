"""Loops, channels, attention and normalization: what a unit is, what is far away."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from nettrain.diagnose import (
    Evidence,
    FirstWeights,
    Inputs,
    LayerFacts,
    PreActivation,
    Setting,
)
from nettrain.diagnose.detectors import (
    BornDead,
    DeadNeurons,
    ExplodingGradient,
    FiniteWidth,
    Saturation,
    VanishingGradient,
    WeightScale,
)
from nettrain.diagnose.detectors.gradient import ratios
from nettrain.diagnose.evidence import Units
from nettrain.diagnose.facts import Signals
from nettrain.diagnose.finding import Edit
from nettrain.diagnose.remedies import edits

Make = Callable[..., Evidence]
TIMES = (1, 4, 7, 10)
FADES = (1e-5, 1e-3, 0.1, 1.0)
PRIOR = 2.0


def steps(
    layer: str = "rnn1", side: str = "", **more: Any
) -> tuple[PreActivation, ...]:
    path = f"model/{layer}{side}"
    return tuple(
        PreActivation(f"{path}/t{t}/pre_activation", layer, time=t, **more)
        for t in TIMES
    )


OUT = PreActivation("model/dense1/pre_activation", "dense1", output=True)
RNN = LayerFacts(
    "rnn1", "model.rnn1", "rnn", units=8, gated={"lstm": 8},
    weight_init=Setting("model.rnn1.weight_init", "glorot_uniform", usual="glorot"),
    recurrent_init=Setting("model.rnn1.recurrent_init", {"normal": {}}, usual="round"),
)  # fmt: skip
DENSE = LayerFacts("dense1", "model.dense1", units=2)


@pytest.fixture
def loop(profile: Make) -> Make:
    """A loop of four watched time steps and an output layer, RMS(δ) given per check."""

    def make(*rows: Sequence[float], nodes: Any = None, **facts: Any) -> Evidence:
        rest = {"layers": {"rnn1": RNN, "dense1": DENSE}, **facts}
        given = nodes if nodes is not None else (*steps(), OUT)
        return profile(*[(*row, 1.0) for row in rows], nodes=given, **rest)

    return make


# ---------------------------------------------------------------- G1 over time


def test_what_fades_over_time_is_named_by_its_time_step(loop: Make) -> None:
    (found,) = VanishingGradient().detect(loop(FADES, FADES))
    assert found.node == "model/rnn1/t1/pre_activation" and found.layer == "rnn1"
    assert found.severity == "error" and found.place == "G1 over time"
    assert found.measured == pytest.approx(1e-5)
    assert "time step 10 of rnn1 1e-05 arrives at time step 1" in found.why
    assert "more than 9 time steps away" in found.why
    assert found.remedy and found.remedy.patch == (Edit("model.rnn1", {"lstm": 8}),)


def test_the_nearest_step_that_is_not_reached_is_blamed(loop: Make) -> None:
    row = (1e-9, 1e-7, 1e-4, 1.0)
    (found,) = VanishingGradient().detect(loop(row, row))
    assert found.node == "model/rnn1/t7/pre_activation"
    assert found.measured == pytest.approx(1e-9)
    assert "more than 3 time steps away" in found.why
    back = (*steps(backward=True), OUT)
    (found,) = VanishingGradient().detect(loop(row[::-1], row[::-1], nodes=back))
    assert found.node == "model/rnn1/t4/pre_activation"
    assert "time step 1 of rnn1 1e-09 arrives at time step 10" in found.why
    assert "more than 3 time steps away" in found.why


@pytest.mark.parametrize(("share", "fires"), [(1.01e-3, False), (0.99e-3, True)])
def test_over_time_at_both_sides_of_its_threshold(
    loop: Make, share: float, fires: bool
) -> None:
    row = (share * 0.2, 0.1, 0.1, 0.2)  # of the loop's largest, not of the output
    assert bool([*VanishingGradient().detect(loop(row, row))]) is fires


def test_what_grows_on_its_way_back_explodes_and_has_not_vanished(loop: Make) -> None:
    grown = tuple(1e5 * share for share in reversed(FADES))
    evidence = loop(grown, grown)
    assert not [*VanishingGradient().detect(evidence)]
    (found,) = ExplodingGradient().detect(evidence)
    assert found.layer == "rnn1"


def test_a_loop_that_runs_backwards_fades_the_other_way(loop: Make) -> None:
    back = (*steps(backward=True), OUT)
    (found,) = VanishingGradient().detect(loop(FADES[::-1], FADES[::-1], nodes=back))
    assert found.node == "model/rnn1/t10/pre_activation"
    assert not [*VanishingGradient().detect(loop(FADES, FADES, nodes=back))]


def test_both_directions_are_judged_apart(loop: Make) -> None:
    both = (*steps(side="/forward"), *steps(side="/backward", backward=True), OUT)
    row = (*FADES, *FADES[::-1])
    found = [*VanishingGradient().detect(loop(row, row, nodes=both))]
    assert [f.node.split("/")[2:4] for f in found if f.node] == [
        ["forward", "t1"],
        ["backward", "t10"],
    ]
    fine = (*FADES, 1.0, 1.0, 1.0, 1.0)
    assert len([*VanishingGradient().detect(loop(fine, fine, nodes=both))]) == 1


def test_a_memory_that_learned_to_last_is_healthy(loop: Make) -> None:
    fine = (0.5, 0.6, 0.8, 1.0)
    for loss in (0.72, 0.68):
        for rows, fires in (
            ((FADES, FADES, fine, fine, fine), False),
            ((FADES, fine, FADES, fine, FADES), False),
            ((fine, fine, fine, FADES, FADES), loss < 0.7),
            ((FADES, FADES, FADES, fine, fine), loss > 0.7),
            ((FADES, FADES, fine, fine), loss > 0.7),
            ((FADES, FADES, fine, FADES), loss > 0.7),
        ):
            found = [*VanishingGradient().detect(loop(*rows, loss=loss * PRIOR))]
            assert bool(found) is fires


def test_it_is_told_as_it_was_last(loop: Make) -> None:
    rows = ((1e-9, 1e-8, 1e-7, 1.0), FADES, FADES)
    (found,) = VanishingGradient().detect(loop(*rows))
    assert found.measured == pytest.approx(1e-5) and found.epoch == 2
    assert found.node == "model/rnn1/t1/pre_activation"


def test_not_to_look_far_back_is_a_note_where_much_is_learned(loop: Make) -> None:
    for loss, severity in ((0.72, "error"), (0.68, "note")):
        evidence = loop(FADES, FADES, loss=loss * PRIOR)
        assert [f.severity for f in VanishingGradient().detect(evidence)] == [severity]
    converged = loop(FADES, FADES, loss=0.09 * PRIOR)
    assert not [*VanishingGradient().detect(converged)]


def test_weights_that_could_not_move_have_shown_nothing(loop: Make) -> None:
    evidence = loop(FADES, FADES)
    for ratio, fires in ((2e-4, False), (4e-4, True)):  # of 1,000 updates
        moved = np.full_like(evidence.update_ratio, ratio)
        slow = dataclasses.replace(evidence, update_ratio=moved)
        assert bool([*VanishingGradient().detect(slow)]) is fires


def test_a_gated_loop_is_not_told_to_have_gates(loop: Make) -> None:
    lstm = dataclasses.replace(RNN, kind="lstm", gated=None)
    evidence = loop(FADES, FADES, layers={"rnn1": lstm, "dense1": DENSE})
    (found,) = VanishingGradient().detect(evidence)
    assert found.remedy and not found.remedy.patch
    assert "shorten" in found.remedy.text


def test_depth_looks_at_the_step_that_most_arrives_at(loop: Make) -> None:
    below = PreActivation("model/dense0/pre_activation", "dense0")
    nodes = (below, *steps(), OUT)
    fine = (0.1, *FADES)
    (found,) = VanishingGradient().detect(loop(fine, fine, nodes=nodes))
    assert found.layer == "rnn1"  # over time alone
    low = (1e-6, 0.2, 0.5, 0.8, 1.0)
    (found,) = VanishingGradient().detect(loop(low, low, nodes=nodes))
    assert (found.layer, found.node) == ("dense0", "model/dense0/pre_activation")


# ---------------------------------------------------------------- G1 over positions


def test_a_channel_counts_by_the_norm_over_its_positions(profile: Make) -> None:
    """A mean over 64 x 64 positions leaves each one 1/4096 of the gradient."""
    row = (1 / 4096, 1.0)
    nodes = (PreActivation("c", "conv2d1", positions=4096), OUT)
    evidence = profile(row, row, nodes=nodes)
    assert ratios(evidence)[0] == pytest.approx([1 / 64, 1.0])
    assert not [*VanishingGradient().detect(evidence)]
    one = (PreActivation("c", "conv2d1"), OUT)
    assert [*VanishingGradient().detect(profile(row, row, nodes=one))]


def test_what_only_decides_where_to_look_is_left_out(profile: Make) -> None:
    kinds = {"attention1": LayerFacts("attention1", "model.attention1", "attention")}
    row = (1e-6, 1e-6, 1.0, 1.0)

    def nodes(*names: str) -> tuple[PreActivation, ...]:
        own = [PreActivation(n, f"attention1/{n}") for n in names]
        return (*own, OUT)

    quiet = profile(row, row, nodes=nodes("query", "key", "value"), layers=kinds)
    assert not [*VanishingGradient().detect(quiet)]
    loud = profile(row, row, nodes=nodes("value", "key", "query"), layers=kinds)
    assert [f.layer for f in VanishingGradient().detect(loud)] == ["attention1/value"]


# ---------------------------------------------------------------- units


def test_a_hidden_state_is_flat_if_it_is_over_all_time_steps(loop: Make) -> None:
    fine = (1.0,) * 4
    nodes = steps()

    def slopes(*each: float) -> dict[str, Any]:
        return {z.path: np.full((2, 4), s) for z, s in zip(nodes, each, strict=True)}

    flat = loop(fine, fine, slopes=slopes(0.01, 0.02, 0.03, 0.04))
    (found,) = Saturation().detect(flat)
    assert found.layer == "rnn1" and found.measured == 1.0
    at_the_end = loop(fine, fine, slopes=slopes(0.9, 0.01, 0.01, 0.01))
    assert not [*Saturation().detect(at_the_end)]


def test_a_hidden_state_is_dead_if_it_passes_nothing_at_any_step(loop: Make) -> None:
    fine = (1.0,) * 4

    def units(*passed: bool) -> dict[str, Any]:
        true, share = np.ones((2, 3), bool), np.zeros((2, 3), np.float32)
        return {
            z.path: Units(true, true & one, share)
            for z, one in zip(steps(), passed, strict=True)
        }

    (found,) = DeadNeurons().detect(loop(fine, fine, units=units(*[False] * 4)))
    assert (found.layer, found.units) == ("rnn1", (0, 1, 2))
    alive = loop(fine, fine, units=units(False, False, True, False))
    assert not [*DeadNeurons().detect(alive)]


HEADS = PreActivation("model/attention1/attention", "attention1")


@pytest.mark.parametrize(
    ("openness", "loss", "fires"),
    [
        ((0.04, 0.6), 1.0, True),
        ((0.06, 0.6), 1.0, False),
        ((0.6, 0.6), 1.0, False),
        ((0.01, 0.01), 0.09, False),
    ],
)
def test_heads_that_look_at_one_place_alone(
    profile: Make, openness: tuple[float, float], loss: float, fires: bool
) -> None:
    facts = {
        "attention1": LayerFacts("attention1", "model.attention1", "attention"),
        "dense1": DENSE,
    }
    evidence = profile(
        (1.0,), (1.0,), nodes=(OUT,), attentions=(HEADS,), layers=facts,
        slopes={HEADS.path: np.tile(openness, (2, 1))}, loss=loss * PRIOR,
    )  # fmt: skip
    found = [*Saturation().detect(evidence)]
    assert bool(found) is fires
    if fires:
        assert (found[0].layer, found[0].units) == ("attention1", (0,))
        assert "look at one place alone" in found[0].why
        insert = Edit("model.attention1", "layer_norm", do="insert")
        assert found[0].remedy and found[0].remedy.patch == (insert,)


def test_scores_of_a_large_embedding_are_mended_there(profile: Make) -> None:
    table = LayerFacts(
        "embedding1", "model.embedding1", "embedding", looked_up=True,
        first=FirstWeights(30.0, 1, 8),
        weight_init=Setting("model.embedding1.weight_init", {"normal": {}}, usual=7),
    )  # fmt: skip
    evidence = profile(
        (1.0,), (1.0,), nodes=(OUT,), attentions=(HEADS,),
        layers={"embedding1": table}, slopes={HEADS.path: np.zeros((2, 2))},
    )  # fmt: skip
    (found,) = Saturation().detect(evidence)
    edit = Edit("model.embedding1.weight_init", 7)
    assert found.remedy and found.remedy.patch == (edit,)


def test_a_channel_that_a_bias_holds_down_is_born_dead(healthy: Make) -> None:
    """Of many positions few are positive by outliers, which wake nothing."""
    path = "model/dense1/pre_activation"
    down = np.array([-10.0, 0.0, 0.0])

    def make(share: float, bias: str) -> Evidence:
        plain = healthy()
        first = dataclasses.replace(
            plain.layers["dense1"], bias_init=Setting("b", bias)
        )
        seen = Signals(512, PRIOR, down, np.ones(3), np.ones(3),
                       positive={path: np.full(8, share)})  # fmt: skip
        layers = {**plain.layers, "dense1": first}
        return healthy(layers=layers, signals=seen)

    assert [f.layer for f in BornDead().detect(make(5e-4, "ones"))] == ["dense1"]
    assert not [*BornDead().detect(make(2e-3, "ones"))]
    assert not [*BornDead().detect(make(5e-4, "zeros"))]


# ---------------------------------------------------------------- first weights


def scaled(
    healthy: Make, layer: LayerFacts, nodes: tuple[PreActivation, ...] = ()
) -> list[Any]:
    plain = healthy()
    layers = {layer.name: layer, **plain.layers}
    evidence = healthy(layers=layers, nodes=(*nodes, *plain.nodes), signals=None)
    return [*WeightScale().detect(evidence)]


def recurrent(gamma: float, kind: str = "rnn") -> LayerFacts:
    first = FirstWeights(1 / 4, 16, 16)
    again = FirstWeights(gamma / 4, 16, 16)
    return dataclasses.replace(RNN, kind=kind, first=first, recurrent=again)


@pytest.mark.parametrize(
    ("gamma", "kind", "fires"),
    [
        (0.32, "rnn", True),
        (0.5, "rnn", False),
        (1.45, "rnn", False),
        (1.55, "rnn", True),
        (1.55, "lstm", False),
        (2.9, "lstm", False),
        (3.1, "lstm", True),
    ],
)
def test_recurrent_weights_are_judged_by_what_comes_back(
    healthy: Make, gamma: float, kind: str, fires: bool
) -> None:
    """1.55 ** 20 = 6,400 over ten steps; gates let what grows be forgotten."""
    found = scaled(healthy, recurrent(gamma, kind), steps())
    assert bool(found) is fires
    if fires:
        assert found[0].layer == "rnn1" and "rnn1 (recurrent)" in found[0].why
        assert found[0].measured == pytest.approx(gamma)
        edit = Edit("model.rnn1.recurrent_init", "round")
        assert found[0].remedy and edit in found[0].remedy.patch


def test_few_time_steps_bear_larger_recurrent_weights(healthy: Make) -> None:
    assert not scaled(healthy, recurrent(1.55), steps()[:3])  # 1.55 ** 14 = 460


@pytest.mark.parametrize(
    ("std", "fires"), [(1e-4, False), (0.02, False), (1.0, False), (3.1, True)]
)
def test_an_embedding_may_start_small(healthy: Make, std: float, fires: bool) -> None:
    first = FirstWeights(std, 1, 1)
    first = dataclasses.replace(first, fan_out=1)
    table = LayerFacts(
        "embedding1", "model.embedding1", "embedding", first=first, looked_up=True
    )
    many = dataclasses.replace(table, first=FirstWeights(std, 1, 64))
    assert bool(scaled(healthy, many)) is fires
    if std < 0.3:  # as a dense layer of one input would not
        assert scaled(healthy, dataclasses.replace(many, looked_up=False))


@pytest.mark.parametrize("outer", ["transformer_encoder", "attention", "branch", ""])
def test_layers_that_stand_in_no_row_are_not_multiplied(
    healthy: Make, outer: str
) -> None:
    name = f"{outer}1" if outer else "block"
    plain = healthy()
    own = {
        f"{name}/d{i}": LayerFacts(
            f"{name}/d{i}", "model.x", units=64, first=FirstWeights(0.25, 64, 64)
        )
        for i in range(20)  # γ = 2 each, and 2 ** 40 = 1e12
    }
    nodes = tuple(PreActivation(n, n) for n in own)
    around = {name: LayerFacts(name, "model.x", outer or "sequential")}
    evidence = healthy(
        layers={**around, **own, **plain.layers}, nodes=(*nodes, *plain.nodes),
        signals=None,
    )  # fmt: skip
    assert bool([*WeightScale().detect(evidence)]) is (outer == "")


def test_an_activation_behind_a_normalization_is_no_narrow_layer(
    healthy: Make,
) -> None:
    plain = healthy()
    relu = LayerFacts("relu1", "model.relu1", "relu", units=1,
                      activation=Setting("model.relu1", "relu"))  # fmt: skip
    nodes = (PreActivation("r", "relu1"), *plain.nodes)
    evidence = healthy(layers={"relu1": relu, **plain.layers}, nodes=nodes)
    assert not [*FiniteWidth().detect(evidence)]
    narrow = dataclasses.replace(relu, first=FirstWeights(1.0, 1, 1))
    evidence = healthy(layers={"relu1": narrow, **plain.layers}, nodes=nodes)
    assert [f.layer for f in FiniteWidth().detect(evidence)] == ["relu1"]


def test_groups_are_the_time_steps_of_a_loop() -> None:
    both = (*steps(side="/forward"), *steps(side="/backward"), OUT)
    groups = Evidence(nodes=both).groups()
    assert [members for _, members in groups] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert groups[0][0].time == 10


# ---------------------------------------------------------------- remedies


def test_a_convolution_is_normalized_by_channel_and_only_once(healthy: Make) -> None:
    plain = healthy().layers["dense1"]
    names = ("conv2d1", "conv2d2", "conv2d3", "dense1")
    layers = {
        name: dataclasses.replace(
            plain, name=name, path=f"model.{name}", kind=name[:-1],
            normalized=name == "conv2d2",
        )
        for name in names
    }  # fmt: skip
    relu = LayerFacts("relu1", "model.relu1", "relu")
    nodes = tuple(PreActivation(n, n) for n in (*names, "relu1", "out"))
    evidence = healthy(layers={**layers, "relu1": relu}, nodes=nodes)
    assert edits.normalized(evidence) == (
        Edit("model.dense1", "layer_norm", do="insert"),
        Edit("model.conv2d3", "batch_norm", do="insert"),
    )


def test_usual_scales_are_given_to_what_adds_up_inputs() -> None:
    def layer(name: str, **more: Any) -> LayerFacts:
        init = Setting(f"model.{name}.weight_init", {"normal": {}}, usual="as usual")
        return LayerFacts(name, f"model.{name}", weight_init=init, **more)

    again = Setting("model.rnn1.recurrent_init", "normal", usual="round")
    layers = (layer("embedding1", looked_up=True), layer("rnn1", recurrent_init=again))
    evidence = Evidence(layers={x.name: x for x in layers})
    assert edits.scaled(evidence) == [
        Edit("model.rnn1.weight_init", "as usual"),
        Edit("model.rnn1.recurrent_init", "round"),
    ]


def test_inputs_that_are_symbols_have_no_scale(healthy: Make) -> None:
    """Of which `standardize` would make no symbols."""
    nothing = np.zeros(0)
    flat = {"model/dense1/pre_activation": np.zeros((6, 4))}
    evidence = healthy(
        activation="tanh", slopes=flat, loss=np.full(6, PRIOR),
        inputs=Inputs((), nothing, nothing),
    )  # fmt: skip
    (found,) = Saturation().detect(evidence)
    assert found.remedy is not None
    assert all(edit.path != "data.preprocess" for edit in found.remedy.patch)


@pytest.mark.parametrize(
    ("nodes", "attentions", "known"),
    [
        ((OUT,), (), True),
        ((*steps(), OUT), (), False),
        ((PreActivation("c", "conv2d1", positions=9), OUT), (), False),
        ((OUT,), (HEADS,), False),
    ],
)
def test_residuals_of_images_and_sequences_are_not_known_to_be_noise(
    nodes: Any, attentions: Any, known: bool
) -> None:
    evidence = Evidence(
        nodes=nodes, attentions=attentions, prior=2.0, loss=np.array([1.0]),
        unexplained=0.0, finished=True,
    )  # fmt: skip
    assert evidence.exhausted(0.05) is known
