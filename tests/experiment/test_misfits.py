"""What does not fit: the layer, its line in the config, and both shapes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from nettrain.errors import Error
from nettrain.experiment.setup import set_up

IMAGES = "source: digits, shape: [1, 8, 8], batch_size: 16"
SERIES = "source: digits, shape: [8, 8], batch_size: 16"
FLAT = "source: digits, batch_size: 16"
SYMBOLS = (
    "source: {copy: {samples: 48, length: 2, symbols: 3, delay: 2}}, batch_size: 16"
)
TEXT = """\
data: {{{data}, split: {{}}}}
model:
{layers}
loss: cross_entropy
"""
EMBEDDED = "embedding: {size: 6, padding: 0}"

# Data; layers, of which «this» does not fit; its path; what the message says.
CASES: dict[str, tuple[str, list[str], str, list[str]]] = {
    # kernels and windows
    "conv1d larger than its input": (
        SERIES, ["«conv1d: {filters: 4, size: 9}»"],
        "conv1d1", ["(9,)", "(16, 8, 8)"],
    ),
    "conv2d larger than what is left": (
        IMAGES, ["max_pool2d: 4", "«conv2d: {filters: 4, size: 3}»"],
        "conv2d1", ["(3, 3)", "(16, 1, 2, 2)"],
    ),
    "dilated conv2d": (
        IMAGES, ["«conv2d: {filters: 4, size: 3, dilation: 4}»"],
        "conv2d1", ["(9, 9)", "(16, 1, 8, 8)"],
    ),
    "depthwise": (
        IMAGES, ["«depthwise_conv2d: {size: 9}»"],
        "depthwise_conv2d1", ["(9, 9)", "(16, 1, 8, 8)"],
    ),
    "separable": (
        IMAGES, ["«separable_conv2d: {filters: 4, size: 9}»"],
        "separable_conv2d1", ["(9, 9)", "(16, 1, 8, 8)"],
    ),
    "max pool": (
        SERIES, ["«max_pool1d: 9»"], "max_pool1d1", ["(9,)", "(16, 8, 8)"],
    ),
    "average pool": (
        IMAGES, ["«average_pool2d: [2, 9]»"],
        "average_pool2d1", ["(2, 9)", "(16, 1, 8, 8)"],
    ),
    "pool in ceil mode": (
        SERIES, ["«max_pool1d: {size: 12, stride: 2, ceil_mode: true}»"],
        "max_pool1d1", ["(12,)", "(16, 8, 8)"],
    ),
    "transposed cut away": (
        IMAGES, ["«conv_transpose2d: {filters: 2, size: 1, padding: 4}»"],
        "conv_transpose2d1", ["(16, 2, 8, 8)", "(16, 1, 8, 8)"],
    ),
    "transposed series": (
        SERIES, ["«conv_transpose1d: {filters: 2, size: 1, padding: 4}»"],
        "conv_transpose1d1", ["(16, 2, 8)", "(16, 8, 8)"],
    ),
    # channels
    "groups of conv2d": (
        IMAGES, ["«conv2d: {filters: 4, groups: 2}»"],
        "conv2d1", ["2 groups", "1 channels", "(16, 1, 8, 8)"],
    ),
    "groups of a transposed one": (
        SERIES, ["«conv_transpose1d: {filters: 6, groups: 3}»"],
        "conv_transpose1d1", ["3 groups", "8 channels", "(16, 8, 8)"],
    ),
    "groups of a norm": (
        SERIES, ["«group_norm: 3»"], "group_norm1", ["3 groups", "8", "(16, 8, 8)"],
    ),
    "conv2d without channels": (
        FLAT, ["«conv2d: 4»"], "conv2d1", ["(N, C, H, W)", "(16, 64)"],
    ),
    "conv1d of images": (
        IMAGES, ["«conv1d: 4»"], "conv1d1", ["(N, C, L)", "(16, 1, 8, 8)"],
    ),
    "transposed without channels": (
        FLAT, ["«conv_transpose1d: 4»"],
        "conv_transpose1d1", ["(N, C, L)", "(16, 64)"],
    ),
    "pool without channels": (
        FLAT, ["«max_pool2d: 2»"], "max_pool2d1", ["(N, C, H, W)", "(16, 64)"],
    ),
    "global pool of rows": (
        FLAT, ["«global_average_pool»"],
        "global_average_pool1", ["(N, C, …)", "(16, 64)"],
    ),
    "instance norm of rows": (
        FLAT, ["«instance_norm»"], "instance_norm1", ["2 positions", "(16, 64)"],
    ),
    "norm of more axes than there are": (
        FLAT, ["«layer_norm: {axes: 2}»"], "layer_norm1", ["2 axes", "(16, 64)"],
    ),
    # sequences
    "rnn": (FLAT, ["«rnn: 4»"], "rnn1", ["(N, T, ", "(16, 64)"]),
    "lstm": (FLAT, ["«lstm: 4»"], "lstm1", ["(N, T, ", "(16, 64)"]),
    "gru of images": (IMAGES, ["«gru: 4»"], "gru1", ["(N, T, ", "(16, 1, 8, 8)"]),
    "attention": (
        FLAT, ["«attention: 1»"], "attention1", ["(N, T, F)", "(16, 64)"],
    ),
    "transformer": (
        FLAT, ["«transformer_encoder: {heads: 1, feed_forward: 4}»"],
        "transformer_encoder1", ["(N, T, F)", "(16, 64)"],
    ),
    "positional": (
        FLAT, ["«positional»"], "positional1", ["(N, T, F)", "(16, 64)"],
    ),
    "masking": (FLAT, ["«masking»"], "masking1", ["(N, T, F)", "(16, 64)"]),
    "select": (FLAT, ["«select: 0»"], "select1", ["(N, T, …)", "(16, 64)"]),
    "pool over time": (
        FLAT, ["«pool_time: max»"], "pool_time1", ["(N, T, …)", "(16, 64)"],
    ),
    "select beyond": (
        SERIES, ["«select: 8»"], "select1", ["index 8", "8 time steps", "(16, 8, 8)"],
    ),
    "positions beyond the longest": (
        SERIES, ["«positional: {encoding: learned, longest: 5}»"],
        "positional1", ["(5, 8)", "(16, 8, 8)"],
    ),
    # attention
    "heads": (
        SERIES, ["«attention: 3»"], "attention1", ["(16, 8, 8)", "(16, 8, 3, 8/3)"],
    ),
    "heads of another size": (
        SERIES, ["«attention: {heads: 4, size: 10}»"],
        "attention1", ["10 features", "4 heads", "(16, 8, 8)"],
    ),
    "heads of a transformer": (
        SERIES, ["«transformer_encoder: {heads: 5, feed_forward: 4}»"],
        "transformer_encoder1", ["(16, 8, 8)", "(16, 8, 5, 8/5)"],
    ),
    "rotary on an odd width": (
        SERIES, ["«attention: {heads: 8, rotary: true}»"],
        "attention1", ["(16, 8, 8, 1)", "(16, 8, 8)"],
    ),
    "a memory that is no sequence": (
        SERIES, ["flatten: {name: seen}", "reshape: [8, 8]",
                 "«attention: {heads: 2, memory: seen}»"],
        "attention1", ["(N, S, F)", "(16, 64)", "(16, 8, 8)"],
    ),
    "a decoder's memory that is no sequence": (
        SERIES, ["flatten: {name: seen}", "reshape: [8, 8]",
                 "«transformer_decoder: {heads: 2, feed_forward: 4, memory: seen}»"],
        "transformer_decoder1", ["(N, S, F)", "(16, 64)", "(16, 8, 8)"],
    ),
    # masks
    "a mask over channels": (
        SYMBOLS, [EMBEDDED, "«conv1d: 4»"], "conv1d1", ["(16, 6)", "(16, 6, 6)"],
    ),
    "a mask over pooled channels": (
        SYMBOLS, [EMBEDDED, "«global_max_pool»"],
        "global_max_pool1", ["(16, 6)", "(16, 6, 6)"],
    ),
    "a mask of a longer sequence": (
        SYMBOLS, [EMBEDDED, "permute: [2, 1]", "«conv_transpose1d: 4»"],
        "conv_transpose1d1", ["(16, 1, 6)", "(16, 6, 6)"],
    ),
    "a mask in ceil mode": (
        SYMBOLS,
        [EMBEDDED, "permute: [2, 1]", "«average_pool1d: {size: 4, ceil_mode: true}»"],
        "average_pool1d1", ["(16, 1, 6)", "(16, 6, 6)"],
    ),
    "a mask within the padding": (
        SYMBOLS,
        [EMBEDDED, "permute: [2, 1]", "«conv1d: {filters: 4, size: 1, padding: 1}»"],
        "conv1d1", ["(16, 1, 6)", "(16, 6, 6)"],
    ),
    # layers of layers
    "residual": (
        FLAT, ["«residual: [dense: 32]»"], "residual1", ["(16, 64)", "(16, 32)"],
    ),
    "residual of images": (
        IMAGES, ["«residual: [conv2d: {filters: 1, padding: 0}]»"],
        "residual1", ["(16, 1, 8, 8)", "(16, 1, 6, 6)"],
    ),
    "branches added": (
        FLAT, ["«branch: {paths: [[dense: 3], []], merge: add}»"],
        "branch1", ["(16, 3)", "(16, 64)"],
    ),
    "branches concatenated": (
        IMAGES, ["«branch: {paths: [[max_pool2d: 2], []]}»"],
        "branch1", ["(16, 1, 4, 4)", "(16, 1, 8, 8)"],
    ),
    "branches of other ranks": (
        IMAGES, ["«branch: {paths: [[flatten], []]}»"],
        "branch1", ["(16, 64)", "(16, 1, 8, 8)"],
    ),
    "branches along no axis": (
        FLAT, ["«branch: {paths: [[dense: 3], []], axis: 2}»"],
        "branch1", ["(16, 3)", "(16, 64)", "axis 2"],
    ),
    "branches along the batch": (
        FLAT, ["«branch: {paths: [[dense: 3], [dense: 3]], axis: 0}»"],
        "branch1", ["(16, 3)", "axis 0"],
    ),
    "branches along the batch, from the end": (
        FLAT, ["«branch: {paths: [[dense: 3], [dense: 3]], axis: -2}»"],
        "branch1", ["(16, 3)", "axis -2"],
    ),
    "tie": (
        FLAT, ["dense: 32", "«dense: {units: 16, tie: dense1}»"],
        "dense2", ["(32, 16)", "(64, 32)"],
    ),
    "tie to an embedding": (
        SYMBOLS, ["embedding: 6", "lstm: {units: 4, outputs: all}",
                  "«dense: {units: 5, tie: embedding1}»"],
        "dense1", ["(4, 5)", "(5, 6)"],
    ),
    "reuse": (
        FLAT, ["dense: 32", "«reuse: dense1»"],
        "reuse1", ["(64, 32)", "(32, 32)"],
    ),
    # shapes
    "reshape": (
        FLAT, ["«reshape: [5, 13]»"], "reshape1", ["(16, 64)", "(16, 5, 13)"],
    ),
    "reshape to what is left": (
        FLAT, ["«reshape: [5, -1]»"], "reshape1", ["(16, 64)", "(16, 5, -1)"],
    ),
    "permute": (
        FLAT, ["«permute: [2, 1]»"], "permute1", ["(16, 64)", "[2, 1]"],
    ),
    "slice along no axis": (
        FLAT, ["«slice: {axis: 2}»"], "slice1", ["(16, 64)", "axis 2"],
    ),
    "slice of nothing": (
        SERIES, ["«slice: {start: 8, axis: 1}»"], "slice1", ["8", "(16, 8, 8)"],
    ),
    # symbols
    "vocabulary": (
        SYMBOLS, ["«embedding: {size: 6, vocabulary: 4}»"],
        "embedding1", ["5 symbols", "(16, 6)", "(4, 6)"],
    ),
    "vocabulary of quantities": (
        FLAT, ["«embedding: 6»"], "embedding1", ["symbols", "(16, 64)"],
    ),
    # inside others
    "within a repeated block": (
        IMAGES, ["repeat:", "    times: 3", "    block:",
                 "      - max_pool2d: 2", "      - «conv2d: {filters: 1, size: 5}»"],
        "repeat1/1/conv2d1", ["(5, 5)", "(16, 1, 4, 4)"],
    ),
    "within a branch": (
        SERIES, ["branch:", "    paths:", "      - [dense: 3]",
                 "      - [«attention: 3»]"],
        "branch1/2/attention1", ["(16, 8, 8)", "(16, 8, 3, 8/3)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_misfits_name_layer_line_and_both_shapes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, layers, path, said = CASES[name]
    marked = "\n".join(
        f"  {line}" if line.startswith(" ") else f"  - {line}" for line in layers
    )
    text = TEXT.format(data=data, layers=marked)
    line = text[: text.index("«")].count("\n") + 1
    Path("model.yaml").write_text(text.replace("«", "").replace("»", ""))
    with pytest.raises(Error) as caught:
        set_up("model.yaml")
    (error,) = getattr(caught.value, "errors", [caught.value])
    assert error.code.startswith("config-")
    place = error.place
    assert place is not None
    assert (place.file, place.line) == ("model.yaml", line)
    assert error.message.startswith(f"model/{path}"), error.message
    for words in said:
        assert words in error.message, error.message
    assert error.fix, "nothing says what to do"
