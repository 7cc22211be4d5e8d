"""What is wrong with a plain value, gathered until everything has been read."""

from __future__ import annotations

from dataclasses import dataclass

from nettrain.errors import Error

Path = tuple[str | int, ...]
"""Keys and list indices that lead to a value."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with one plain value, and where it stands in the whole."""

    code: str
    path: Path
    message: str
    fix: str | None = None
    at_key: bool = False
    """Whether the key is at fault rather than its value."""

    def error(self) -> Error:
        where = ".".join(str(part) for part in self.path)
        message = f"{where}: {self.message}" if where else self.message
        return Error(self.code, message, fix=self.fix)
