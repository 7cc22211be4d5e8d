"""Optimizers, schedules and clipping: how gradients change parameters."""

from nettrain.optim.adaptive import Adam, AdamW, RMSprop
from nettrain.optim.clipping import clip_norm, clip_value, global_norm
from nettrain.optim.optimizer import Optimizer, Slots, Updates, optimize
from nettrain.optim.schedules import (
    Constant,
    Cosine,
    Exponential,
    LinearWarmup,
    Plateau,
    Rate,
    Schedule,
    Step,
)
from nettrain.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "Exponential",
    "LinearWarmup",
    "Optimizer",
    "Plateau",
    "RMSprop",
    "Rate",
    "Schedule",
    "Slots",
    "Step",
    "Updates",
    "clip_norm",
    "clip_value",
    "global_norm",
    "optimize",
]
