"""One trial of a sweep, in a process of its own: `python -m nettrain.cli.trial SPEC`.

The process ends with the one that began it: that holds the other end of its standard
input, and its end is a signal like any other, so that the step is finished and saved.
Standard output is for the error that it ends with, as one line of JSON: what code of a
person's own prints there is nobody's.
"""

from __future__ import annotations

import contextlib
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
_LEAVING = 3.0
"""Seconds that what a person's own code left to be done has, once the trial is over."""
_MOST = 2000
"""Characters of an error's message that are told."""


def main() -> int:
    """Begin or go on with the run that the one argument describes, as JSON."""
    signals.end_at_once()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answer, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    prepared()
    code = 1
    try:
        code = exit_code(functools.partial(_answered, answer), json.loads(sys.argv[1]))
    finally:
        # Python waits for threads, and what is to be done at its exit, for ever.
        leaving = threading.Timer(_LEAVING, os._exit, [code])
        leaving.daemon = True
        leaving.start()
    return code


def _answered(answer: int, spec: dict[str, Any]) -> int:
    """Train, and write to a file descriptor what keeps it from that."""
    try:
        return _train(spec)
    except Exception as error:
        from nettrain.cli.plugin import blamed

        if known := error if isinstance(error, Error) else blamed(error):
            with contextlib.suppress(OSError):
                os.write(answer, json.dumps(_plain(known)).encode())
        raise


def _plain(error: Error) -> dict[str, Any]:
    """What `workers.perform` makes an error of again."""
    message = error.message
    return {
        "code": error.code,
        "message": message if len(message) <= _MOST else f"{message[:_MOST]}…",
        "place": error.place and str(error.place),
        "fix": error.fix,
    }


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
