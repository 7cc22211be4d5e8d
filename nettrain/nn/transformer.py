"""The blocks of transformers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nettrain.component import Count, register
from nettrain.graph import Node
from nettrain.nn.activations import Activation, ReLU
from nettrain.nn.attention import Attention, DropoutRate, Inner, Projection
from nettrain.nn.dense import Dense
from nettrain.nn.dropout import Dropout
from nettrain.nn.layer import Layer
from nettrain.nn.normalization import LayerNorm
from nettrain.nn.sequences import no_sequences
from nettrain.nn.trace import Trace


@dataclass(frozen=True)
class Block(Layer):
    """Base of both: each part has a shortcut around it, and a norm.

    Attributes:
        heads: of each attention; they must divide the input's features.
        feed_forward: units of the first of the two dense layers.
        activation: of that layer.
        dropout: share of weights of attention, and of each part's results, set to 0.
        norm_first: x + f(norm(x)) for each part f, not norm(x + f(x)).
        causal: whether no time step looks at later ones.
        rotary: whether attention to the input knows distances in time.
        trainable: whether training changes weights and biases.
    """

    heads: Count
    feed_forward: Count
    activation: Activation = field(default_factory=ReLU)
    dropout: DropoutRate = 0.1
    norm_first: bool = True
    causal: bool = False
    rotary: bool = False
    trainable: bool = True

    def attentions(self) -> Iterator[tuple[str, Attention]]:
        """The attention of each part but the last, and its name."""
        raise NotImplementedError

    def parts(self, width: int | None) -> Iterator[dict[str, Layer]]:
        """The layers of each part by name, its norm left out.

        Args:
            width: of the input, None where it is not known yet.
        """
        for name, attention in self.attentions():
            yield {name: attention}
        yield {
            "dense1": Dense(self.feed_forward, self.activation),
            "dense2": Projection(width),
        }

    def _named(self, width: int | None) -> Iterator[tuple[str, dict[str, Layer]]]:
        """Each part with its dropouts, behind the name of its norm."""
        count = 0
        for number, part in enumerate(self.parts(width), 1):
            layers: dict[str, Layer] = {}
            for name, layer in part.items():
                layers[name] = layer
                if self.dropout:
                    count += 1
                    layers[f"dropout{count}"] = Dropout(self.dropout)
            yield f"norm{number}", layers

    def children(self) -> Inner:
        for norm, layers in self._named(None):
            yield norm, (), LayerNorm()
            for name, layer in layers.items():
                yield name, (), layer

    def apply(self, x: Node, trace: Trace) -> Node:
        if len(x.shape) != 3:
            raise no_sequences(x, trace)
        for name, layers in self._named(x.shape[-1]):
            norm = [(name, LayerNorm())]
            if self.norm_first:
                x = x + _through([*norm, *layers.items()], x, trace)
            else:
                x = _through(norm, x + _through(layers.items(), x, trace), trace)
        return x


def _through(layers: Iterable[tuple[str, Layer]], x: Node, trace: Trace) -> Node:
    for name, layer in layers:
        x = trace.call(layer, x, name)
    return x


@register("transformer_encoder")
class TransformerEncoder(Block):
    """Self-attention and two dense layers, each with a norm and a shortcut around it.

    x (N, T, F) to (N, T, F) (Vaswani et al., NIPS 2017, figure 1, left). With `causal`
    it is the block of a GPT. As PyTorch's but for `norm_first`, which is true here: the
    shortcuts then carry signals unchanged, and no warm-up is needed (Xiong et al., ICML
    2020); put a `layer_norm` behind the last block.
    """

    def attentions(self) -> Iterator[tuple[str, Attention]]:
        yield (
            "attention",
            Attention(
                self.heads, causal=self.causal, dropout=self.dropout, rotary=self.rotary
            ),
        )


@register("transformer_decoder")
class TransformerDecoder(Block):
    """As `transformer_encoder`, and attention to an earlier layer's result between.

    x (N, T, F) and a memory (N, S, M) to (N, T, F) (Vaswani et al., figure 1, right).

    Attributes:
        memory: name of the earlier layer that is looked at.
        causal: whether no time step looks at later ones of the input.
    """

    memory: str = field(kw_only=True)
    causal: bool = True

    def attentions(self) -> Iterator[tuple[str, Attention]]:
        yield (
            "self_attention",
            Attention(
                self.heads, causal=self.causal, dropout=self.dropout, rotary=self.rotary
            ),
        )
        yield (
            "cross_attention",
            Attention(self.heads, memory=self.memory, dropout=self.dropout),
        )
