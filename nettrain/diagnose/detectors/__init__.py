"""The detectors, by family. One more: a class, its place in `causes.ORDER`, its field.

Importing this package registers them all.
"""

from nettrain.diagnose.detectors.gradient import ExplodingGradient, VanishingGradient
from nettrain.diagnose.detectors.nonfinite import NonFinite
from nettrain.diagnose.detectors.units import DeadNeurons

__all__ = ["DeadNeurons", "ExplodingGradient", "NonFinite", "VanishingGradient"]
