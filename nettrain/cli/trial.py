"""One trial of a sweep, in a process of its own: `python -m nettrain.cli.trial SPEC`.

The process ends with the one that began it: that holds the other end of its standard
input, and its end is a signal like any other, so that the step is finished and saved.
Standard output is for the error that it ends with, as one line of JSON: what code of a
person's own prints there is nobody's.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from nettrain.cli.main import exit_code, prepared
from nettrain.errors import Error
from nettrain.experiment import signals

_PATIENCE = 60.0
"""Seconds to wait for the process before, which has lost its own parent, to end."""


def main() -> int:
    """Begin or go on with the run that the one argument describes, as JSON."""
    signals.end_at_once()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answer, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    prepared()
    return exit_code(functools.partial(_answered, answer), json.loads(sys.argv[1]))


def _answered(answer: int, spec: dict[str, Any]) -> int:
    """Train, and write to a file descriptor what keeps it from that."""
    try:
        return _train(spec)
    except Exception as error:
        from nettrain.cli.plugin import blamed

        if known := error if isinstance(error, Error) else blamed(error):
            said = {"code": known.code, "message": known.message}
            os.write(answer, json.dumps(said).encode())
        raise


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _train(spec: dict[str, Any]) -> int:
    from nettrain.cli import plugin
    from nettrain.experiment import run as running
    from nettrain.record.folder import RUN
    from nettrain.span import Span

    plugin.load(spec["plugins"])
    out, until = Path(spec["out"]), spec["until"]
    pause = Span(until, "%") if until < 100 else None
    give_up = time.monotonic() + _PATIENCE
    while True:
        try:
            if (out / RUN).exists():
                ended = running.resume(out, until=pause, pictures=False)
            else:
                config, overrides = spec["config"], spec["overrides"]
                ended = running.run(
                    config, overrides, out=out, until=pause, pictures=False
                )
        except Error as error:
            if error.code != "locked-run" or time.monotonic() > give_up:
                raise
            time.sleep(0.2)
        else:
            return 128 + ended.signal if ended.signal else 0


if __name__ == "__main__":
    sys.exit(main())
