"""Components: a registered name stands for a dataclass, whose fields are its settings.

A base class (`Layer`, `Optimizer`, …) derives from `Component`; a class registered
under a name may stand wherever its base is asked for, and is written in one of three
ways:

    relu                                 the name alone
    dense: 64                            the name and its first field
    dense: {units: 64, activation: relu} the name and its fields

`build` turns plain values (what YAML gives) into instances by the annotations of the
fields, and gathers every problem with its path instead of stopping at the first. The
same annotations give the resolved config (`dump`), the JSON Schema (`json_schema`) and,
with the docstrings, the documentation (`describe`). Constructors called from Python
convert their arguments in the same way, so `Dense(64, activation="relu")` and the YAML
mean the same.
"""

from nettrain.component.bounds import (
    Count,
    NonNegative,
    Pattern,
    Positive,
    Range,
    Share,
)
from nettrain.component.documentation import FieldDoc, describe
from nettrain.component.family import (
    Component,
    field_types,
    first_field,
    register,
    registered,
)
from nettrain.component.from_plain import INVALID, build, build_fields, unspaced
from nettrain.component.problem import (
    MISTAKES,
    Fix,
    Home,
    Instead,
    Path,
    Problem,
    dotted,
)
from nettrain.component.schema import json_schema
from nettrain.component.to_plain import dump
from nettrain.component.words import (
    alike,
    closest,
    escaped,
    listed,
    phrase,
    show,
    suggest,
)

__all__ = [
    "INVALID",
    "MISTAKES",
    "Component",
    "Count",
    "FieldDoc",
    "Fix",
    "Home",
    "Instead",
    "NonNegative",
    "Path",
    "Pattern",
    "Positive",
    "Problem",
    "Range",
    "Share",
    "alike",
    "build",
    "build_fields",
    "closest",
    "describe",
    "dotted",
    "dump",
    "escaped",
    "field_types",
    "first_field",
    "json_schema",
    "listed",
    "phrase",
    "register",
    "registered",
    "show",
    "suggest",
    "unspaced",
]
