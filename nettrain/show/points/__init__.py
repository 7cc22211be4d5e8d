"""Pictures of a sweep: how its objective depends on what was varied."""

from nettrain.show.points.curves import curves
from nettrain.show.points.keys import Key
from nettrain.show.points.outcome import Points
from nettrain.show.points.parallel import parallel
from nettrain.show.points.slices import slices
from nettrain.show.points.surfaces import surfaces

__all__ = ["Key", "Points", "curves", "parallel", "slices", "surfaces"]
