"""Optimizers, schedules and clipping: how gradients change parameters."""

from nettrain.optim.adam import LAMB, Adamax, NAdam, RAdam
from nettrain.optim.adaptive import Adadelta, Adagrad, Adam, AdamW, RMSprop
from nettrain.optim.clipping import clip_norm, clip_value, global_norm
from nettrain.optim.groups import Group
from nettrain.optim.lion import Lion
from nettrain.optim.muon import Muon
from nettrain.optim.optimizer import (
    Optimizer,
    Rule,
    Slots,
    Updates,
    optimize,
    unmatched,
)
from nettrain.optim.schedules import (
    Constant,
    Cosine,
    Cyclic,
    Exponential,
    LinearWarmup,
    OneCycle,
    Plateau,
    Rate,
    Schedule,
    Step,
)
from nettrain.optim.sgd import SGD
from nettrain.optim.wrappers import ExponentialAverage, Lookahead, Wrapper

__all__ = [
    "LAMB",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Constant",
    "Cosine",
    "Cyclic",
    "Exponential",
    "ExponentialAverage",
    "Group",
    "LinearWarmup",
    "Lion",
    "Lookahead",
    "Muon",
    "NAdam",
    "OneCycle",
    "Optimizer",
    "Plateau",
    "RAdam",
    "RMSprop",
    "Rate",
    "Rule",
    "Schedule",
    "Slots",
    "Step",
    "Updates",
    "Wrapper",
    "clip_norm",
    "clip_value",
    "global_norm",
    "optimize",
    "unmatched",
]
