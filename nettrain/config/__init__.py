"""From YAML, mappings and the command line to one config, each value with its place."""

from nettrain.config.reader import Document, is_path, parse, read
from nettrain.config.resolve import Resolved, resolve
from nettrain.config.writer import write_resolved

__all__ = [
    "Document",
    "Resolved",
    "is_path",
    "parse",
    "read",
    "resolve",
    "write_resolved",
]
