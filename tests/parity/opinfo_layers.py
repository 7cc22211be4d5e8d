from __future__ import annotations
from tests.parity.opinfo_operations import Rule
RULES: dict[str, Rule] = {}
