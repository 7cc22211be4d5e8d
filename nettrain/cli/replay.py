"""The verb `replay`: whether a run comes out again, and if not why."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from nettrain.cli import plugin
from nettrain.cli.progress import Watching
from nettrain.cli.terminal import joined, print_json
from nettrain.errors import EXIT_CODES, visible
from nettrain.experiment.replay import Difference, Replay
from nettrain.experiment.replay import replay as replayed
from nettrain.show.width import fitted

_UNEXPLAINED = (
    "nothing known explains it: config, data, versions, kernels and threads are what "
    "they were; if a second replay says something else, the machine makes mistakes"
)
_EDITED = (
    "the digest is the same, so training is: metrics.jsonl was changed after it was "
    "written"
)


def replay(arguments: Namespace) -> int:
    """`nettrain replay RUN`."""
    plugin.load(arguments.plugin)
    found = replayed(arguments.run, arguments.overrides, watch=Watching)
    if arguments.json:
        print_json(plain(found))
    else:
        text = visible("\n".join(told(found, bool(arguments.plugin))))
        print(fitted(text, 2, sys.stdout))
        sys.stdout.flush()
    return EXIT_CODES["run"] if found.difference else 0


def plain(found: Replay) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "run": str(found.folder.path),
        "identical": found.difference is None,
        "epochs": found.epochs,
        "steps": found.steps,
        "digest": found.digest or None,
        "difference": found.difference and _plain(found.difference),
        "changed": list(found.changed),
    }


def _plain(found: Difference) -> dict[str, Any]:
    return {
        "epoch": found.epoch,
        "rows": [
            {"step": step, "metrics": {name: list(v) for name, v in values.items()}}
            for step, values in found.rows.items()
        ],
        "digests": found.digests and list(found.digests),
        "tensors": dict(found.tensors),
        "end": found.end or None,
        "edited": found.edited,
    }


def told(found: Replay, plugins: bool = False) -> Iterator[str]:
    """The same in lines.

    Args:
        found: what came of it.
        plugins: whether there is code that no fingerprint knows.
    """
    same = f"{_counted(found.epochs, 'epoch')}, {_counted(found.steps, 'update')}"
    if found.difference is None:
        digest = f", digest {found.digest}" if found.digest else ""
        yield f"identical: {same}{digest}"
        if found.changed:
            yield "although"
            yield from (f"  {line}" for line in found.changed)
        return
    before = f"; {same} before it are the same" if found.epochs else ""
    yield f"epoch {found.difference.epoch} differs{before}"
    yield from _differs(found.difference)
    if found.difference.edited:
        yield f"because\n  {_EDITED}"
    elif found.changed:
        yield "what is not as it was"
        yield from (f"  {line}" for line in found.changed)
    else:
        yield _UNEXPLAINED
        if plugins:
            yield "what a plugin does is in no fingerprint: it may have been changed"


def _differs(found: Difference) -> Iterator[str]:
    for step, values in found.rows.items():
        yield f"  update {step}"
        for name, (was, now) in values.items():
            yield f"    {name}: was {_value(was)}, is {_value(now)}"
    if not found.rows and not found.end:
        yield "  no metric, but the state at its end: weights, averages or optimizer"
    if found.tensors:
        largest = max(found.tensors.values())
        yield f"  tensors, by {largest:.2g} at most: {joined([*found.tensors], 3)}"
    if found.end:
        yield f"  {found.end}"


def _value(value: Any) -> str:
    return "not there" if value is None else repr(value)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
