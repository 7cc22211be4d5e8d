"""What a model writes that was trained on a text, character by character."""

from __future__ import annotations

import numpy as np

from nettrain import randomness
from nettrain.component import show
from nettrain.data import Kept
from nettrain.data.blocks import BlockPreparation
from nettrain.data.text import Text
from nettrain.errors import Error
from nettrain.experiment.load import Model, load_run, read_preparation
from nettrain.experiment.threads import limited
from nettrain.record.folder import RunFolder

_BEGINNINGS = "\n "
"""Characters after which something may begin, the better ones first."""
_SAMPLE = 400
"""Characters that are shown without being asked for."""


def writes(preparation: Kept) -> bool:
    """Whether a model of such data says which character comes next."""
    of_arrays = isinstance(preparation, BlockPreparation)
    return of_arrays and isinstance(preparation.source, Text)


def sample(folder: RunFolder) -> str:
    """A few lines by the model of a run, or nothing where it does not write."""
    if not writes(read_preparation(folder)):
        return ""
    made = load_run(folder.path)
    return written(made.model, _SAMPLE, seed=made.experiment.seed).strip("\n")


def written(model: Model, count: int, prompt: str = "", seed: int = 0) -> str:
    """The prompt, and so many characters after it.

    Each is drawn with the probabilities that the model gives it, from the last T
    characters before it, T the length of the pieces that it was trained on. What stands
    behind them in such a piece is a filling, at which no layer may look that looks at
    earlier time steps only.

    Args:
        prompt: what is to be continued; a new line, or a space, if there is none.
        seed: of the draws; the same prompt is always continued alike.
    """
    preparation = model.preparation
    if not writes(preparation):
        message = "no text was trained on, so there is none to be continued"
        fix = "a text is data.source: {text: {path: FILE, length: 64}}"
        raise Error("run-no-text", message, fix=fix)
    alphabet = [str(character) for character in preparation.classes]
    known = {character: number for number, character in enumerate(alphabet)}
    if unknown := [character for character in prompt if character not in known]:
        message = f"{show(unknown[0])} is not in the text that was trained on"
        fix = "leave out what the run has never seen"
        raise Error("data-unseen-category", message, fix=fix)
    before = prompt or next(filter(known.__contains__, _BEGINNINGS), alphabet[0])
    numbers = [known[character] for character in before]
    (steps,) = preparation.positions
    draws = randomness.uniform(randomness.key(seed, "writing"), (count,))
    with limited(model.threads):
        for draw in draws.tolist():
            seen = numbers[-steps:]
            piece = np.zeros((1, steps), preparation.dtype)
            piece[0, : len(seen)] = seen
            outputs = model.network.outputs(piece, 1)[:, len(seen) - 1]
            chances = np.cumsum(model.network.predictions(outputs), dtype=np.float64)
            numbers.append(int(np.searchsorted(chances, draw * chances[-1], "right")))
    return prompt + "".join(alphabet[i] for i in numbers[len(before) :])
