"""`events.jsonl`: what happened when. It holds clock times, so it decides nothing."""

from __future__ import annotations

import contextlib
import datetime
import json
from pathlib import Path
from typing import Any

from nettrain.disk import Disk
from nettrain.record import json_text
from nettrain.record.append import AppendOnly


class Events(AppendOnly):
    """Appends an event a line, at once, so that it can be read while a run goes on."""

    def append(self, event: str, **details: Any) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        # This file is never cut: a line that was left unfinished is ended here.
        start, self.torn = "\n" if self.torn else "", False
        line = json_text.row({"time": now, "event": event, **details})
        self.write(f"{start}{line}\n")
        self.flush()


def read_events(disk: Disk, path: Path) -> list[dict[str, Any]]:
    """The events that can be read; a line that a killed process left is passed over."""
    events = []
    for line in disk.read(path).splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            event = json.loads(line)
            if isinstance(event, dict):
                events.append(event)
    return events
