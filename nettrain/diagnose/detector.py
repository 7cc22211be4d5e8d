"""The base of all detectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from nettrain.component import Component, dump, field_types
from nettrain.diagnose.evidence import Evidence
from nettrain.diagnose.facts import PreActivation
from nettrain.diagnose.finding import Finding, Severity


class Detector(Component):
    """One thing that can be wrong, registered under its id.

    Its fields are its thresholds; its docstring states formula, threshold, source and
    healthy range.
    """

    kind = "detector"
    title: ClassVar[str] = ""
    """The finding's name, such as `vanishing-gradient`."""
    at_end: ClassVar[bool] = False
    """Whether it is judged once: by the weights that training ends with."""

    def detect(self, evidence: Evidence) -> Iterator[Finding]:
        """Findings in the evidence; at most one for each node."""
        raise NotImplementedError

    def conclude(
        self, evidence: Evidence, findings: Sequence[Finding]
    ) -> Iterator[Finding]:
        """Findings that depend on what the others found."""
        yield from ()

    def finding(
        self, evidence: Evidence, severity: Severity, why: str, **fields: Any
    ) -> Finding:
        """A finding of this detector; its config line is looked up by its layer."""
        layer = evidence.layers.get(fields.get("layer") or "")
        fields.setdefault("config_line", layer.config_line if layer else None)
        return Finding(self.registered_name, self.title, severity, why, **fields)

    def finding_at(
        self,
        evidence: Evidence,
        node: PreActivation,
        check: int,
        severity: Severity,
        why: str,
        **fields: Any,
    ) -> Finding:
        """A finding about one node, which first held at the check of that index."""
        return self.finding(
            evidence,
            severity,
            why,
            node=node.path,
            layer=node.layer,
            epoch=int(evidence.epochs[check]),
            step=int(evidence.steps[check]),
            **fields,
        )

    def to_config(self) -> dict[str, Any]:
        """The thresholds, as they stand under `diagnose:` at the detector's id."""
        cls: type = type(self)
        return {name: dump(getattr(self, name)) for name in field_types(cls)}
