"""The verbs that train: run, resume, bench."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from nettrain.cli import plugin, seeds
from nettrain.cli.progress import Watching, report
from nettrain.cli.terminal import print_json, size
from nettrain.errors import Error
from nettrain.experiment import run as running
from nettrain.experiment.setup import Setup, set_up
from nettrain.experiment.threads import limited
from nettrain.experiment.timing import StepTimes, time_steps


def run(arguments: Namespace) -> int:
    """`nettrain run CONFIG`."""
    plugin.load(arguments.plugin)
    if arguments.seeds:
        if arguments.watch or arguments.port is not None:
            fix = "leave out --seeds, or --watch"
            raise Error("usage-arguments", "--watch follows a single run", fix=fix)
        return seeds.run(arguments)
    began = time.perf_counter()
    with _watched(arguments) as watch:
        ended = running.run(
            arguments.config,
            arguments.overrides,
            out=arguments.out,
            again=arguments.again or arguments.out is not None,
            watch=watch,
        )
    seconds, as_given = time.perf_counter() - began, not arguments.overrides
    return report(ended, arguments.config, seconds, as_given=as_given)


def resume(arguments: Namespace) -> int:
    """`nettrain resume RUN`."""
    plugin.load(arguments.plugin)
    began = time.perf_counter()
    with _watched(arguments) as watch:
        ended = running.resume(arguments.run, arguments.overrides, watch=watch)
    # Its findings cite the lines of the config that the run was given.
    config = ended.config or str(ended.folder.path / "config.resolved.yaml")
    return report(ended, config, time.perf_counter() - began, as_given=False)


@contextlib.contextmanager
def _watched(arguments: Namespace) -> Iterator[running.Watch]:
    """Who sees the run: the terminal, and a browser if that was asked for."""
    if arguments.watch:
        from nettrain.cli.watch import serving

        with serving(arguments.port or 0) as watch:
            yield watch
        return
    if arguments.port is not None:
        raise Error("usage-arguments", "--port is that of --watch", fix="add --watch")
    yield Watching


# ---------------------------------------------------------------- bench


def bench(arguments: Namespace) -> int:
    """`nettrain bench CONFIG`."""
    plugin.load(arguments.plugin)
    setup = set_up(arguments.config, arguments.overrides)
    with limited(setup.experiment.threads):
        times = time_steps(setup, arguments.steps)
    measured = _measured(setup, times, arguments.steps)
    if arguments.json:
        print_json(measured)
    else:
        print(_told(measured))
    return 0


def _measured(setup: Setup, times: StepTimes, steps: int) -> dict[str, Any]:
    """What bench found; times in seconds, memory in bytes."""
    experiment = setup.experiment
    interval = getattr(experiment.diagnose, "every", None)
    share = times.share(interval) if interval else 0.0
    return {
        "config": experiment.name,
        "executor": experiment.executor,
        "threads": experiment.threads,
        "batch_size": setup.plan().batch_size,
        "steps": steps,
        "first_step": times.first,
        "step": times.plain,
        "step_with_diagnosis": times.plain * (1 + share) if interval else None,
        "diagnosis_share": share,
        "full_statistics": times.full if interval else None,
        "interval": interval,
        "peak_memory": _peak_memory(),
    }


def _peak_memory() -> int:
    """Bytes: the most this process has held. Linux counts KiB, macOS bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _told(measured: Mapping[str, Any]) -> str:
    """The same in words."""

    def milliseconds(key: str) -> str:
        return f"{1e3 * measured[key]:.4g} ms"

    lines = [
        f"first step      {milliseconds('first_step')} (traced, planned, run)",
        f"step            {milliseconds('step')} (median of {measured['steps']})",
    ]
    if measured["interval"]:
        lines += [
            f"with diagnosis  {milliseconds('step_with_diagnosis')} "
            f"(+{measured['diagnosis_share']:.1%})",
            f"all statistics  {milliseconds('full_statistics')} "
            f"(every {measured['interval']} steps)",
        ]
    lines.append(f"peak memory     {size(measured['peak_memory'])}")
    how = f"executor {measured['executor']}, {measured['threads']} thread"
    return "\n".join([*lines, f"{how}, updates of {measured['batch_size']} rows"])
