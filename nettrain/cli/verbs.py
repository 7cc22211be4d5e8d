"""The verbs and what each takes. Their help must not import what they do."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from nettrain.cli import arguments
from nettrain.errors import Error
from nettrain.show.width import folded, reflowed, width

Parser = argparse.ArgumentParser


@dataclass(frozen=True)
class Verb:
    """What can be said after `nettrain`.

    Attributes:
        module, function: what does it, in `nettrain.cli`.
        summary: one line for the overview.
        details: what else its help says.
        example: command lines.
        takes: adds its arguments to a parser.
    """

    module: str
    function: str
    summary: str
    example: str
    takes: Callable[[Parser], None]
    details: str = ""


VERBS = {
    "run": Verb(
        "train",
        "run",
        "train what a config describes, and say how it went",
        "nettrain run configs/mlp.yaml optimizer.adam.learning_rate=0.01 seed=3",
        arguments.run,
        "Everything is checked before anything is written.",
    ),
    "resume": Verb(
        "train",
        "resume",
        "go on with a run from its newest checkpoint",
        "nettrain resume runs/digits-mlp/1 train.epochs=80",
        arguments.resume,
        "The result is that of a run which was never interrupted.",
    ),
    "replay": Verb(
        "replay",
        "replay",
        "train a run again, and say whether it comes out the same, to the last bit",
        "nettrain replay runs/digits-mlp/1\n"
        "  nettrain replay runs/digits-mlp/1 threads=2",
        arguments.replay,
        """\
The last row of each epoch in metrics.jsonl has a digest of the metrics and the state
of all epochs so far. A replay trains by the run's own config.resolved.yaml, writes
nothing, and stops after the first epoch that differs: it names what differs, and what
in config, versions, kernels or threads is not as it was. The clock is not asked again:
the step where it ended the run is known. KEY=VALUE tries another setting, or says where
the data are now (data.source=PATH). The exit code is 0 where all is identical, and 4
where it is not.""",
    ),
    "check": Verb(
        "check",
        "check",
        "validate a config and its data, show its layers and what will go wrong",
        "nettrain check configs/mlp.yaml --probe\n"
        "  nettrain check configs/sweeps/mlp.yaml",
        arguments.check,
        """\
For every layer: the shape of its output for one row, its parameters, and the memory
of these, of their gradients, of what the optimizer remembers of them, and of the
layer's output for one batch. `variance` is the factor

    fan_in · mean(W²) / c²        c² = 2 for the ReLU family, 1 otherwise

by which the first weights multiply the size of a signal: far from 1 in many layers
in a row, signals fade or grow on their way. `measured` is the same factor of training
rows, mean z² / (c² · mean x²). What can be known to go wrong without an update is told
as a run would tell it; the exit code is 0 all the same.

--probe trains a copy and writes nothing: 20 updates, with the gradient that reaches
each layer as a share of the output's; the first batch up to 200 times, which has to be
learned; and each gradient beside central differences in float64.

Of a sweep's config are shown the keys that it varies, how many trials there are, what
the greediest of them needs, and whether there is memory for as many as run at the same
time. Up to 50 points are all looked at for that where it takes but seconds; of more 50,
and the ends of each key.""",
    ),
    "init": Verb(
        "init",
        "init",
        "write a commented config that runs as it is, also for a table of yours",
        "nettrain init mlp\n  nettrain init data.csv --target price",
        arguments.init,
        """\
Of a table it looks at types, missing values, classes and size, and writes beside each
choice what it saw. Nothing is overwritten. With --schema an editor that knows YAML's
language server completes and checks the config as it is typed.""",
    ),
    "doctor": Verb(
        "doctor",
        "doctor",
        "what is wrong with a run, its one cause first, and the config that mends it",
        "nettrain doctor runs/sick-vanishing/1 --apply mended.yaml --verify",
        arguments.doctor,
        """\
--verify trains the patched config, diagnoses it, and goes on for up to four rounds. A
patch is accepted only if the final model's loss is lower, as a share of that of
guessing, and no error comes up that stands before the one it cures. The run folder gets
plots/before-after.svg.""",
    ),
    "report": Verb(
        "report",
        "report",
        "a page that tells a run: verdict, curves, and its graph to walk through",
        "nettrain report runs/digits-mlp/1\n"
        "  nettrain report runs/digits-mlp/1 runs/digits-mlp/2 --out both.html\n"
        "  nettrain report runs/digits-mlp --out all.html",
        arguments.report,
        """\
Pictures and report.html are written anew into the folder of the run, as at its end. Of
several runs one more page is that of `nettrain compare`, and RUN means what it does
there: a folder that is no run stands for all runs in it.""",
    ),
    "sweep": Verb(
        "sweep",
        "run",
        "train many variations of a config, and say which is best",
        "nettrain sweep configs/sweeps/mlp.yaml --workers 4",
        arguments.sweep,
        "The same command goes on where a sweep was stopped, and trains nothing twice.",
    ),
    "compare": Verb(
        "compare",
        "compare",
        "which config is better, and whether that is sure",
        "nettrain compare runs/digits-mlp/1 runs/digits-mlp/2 --out both.html",
        arguments.compare,
        """\
Shown are the keys that differ, and each metric as mean ± 95 % interval over seeds.
Each config is compared with the best seed by seed. The interval of a difference is
that by itself; "worse" is said of all of them at once (Holm). Losses of other losses
or targets are not ranked. A folder that is no run stands for all runs in it, a sweep's
for those of its points.""",
    ),
    "runs": Verb(
        "runs",
        "runs",
        "a table of runs: how each ended, its metrics and findings",
        "nettrain runs runs/digits-mlp runs/mlp-sweep --sort test/accuracy\n"
        '  nettrain runs --where "test/accuracy > 0.9"\n'
        "  nettrain runs --where optimizer=adam --where data.batch_size=32",
        arguments.runs,
        """\
A KEY is a column (folder, name, status, seed, epoch, step, monitor, last, best,
best_epoch, findings, primary, when), a metric (validation/loss is the last,
best.validation/loss the best), or a key of the config. A condition is KEY = VALUE, or
< > <= >= !=.

A status is running, finished, interrupted, diverged, failed, killed (its process is
gone, and it has not come to its end) or damaged; of one that is running or was killed
step, epoch and findings are those so far. Conditions and --json mean what is shown.

On a terminal, or where COLUMNS says how wide it is, columns are left out until the
table fits, and named; those that were asked for stay. Piped it is whole.""",
    ),
    "lr": Verb(
        "lr",
        "lr",
        "which learning rate a config should have, by trying ten of them",
        "nettrain lr configs/mlp.yaml --out learning-rate.svg",
        arguments.lr,
        """\
Ten rates from 0.0001 to 3, each constant for four epochs (at least 50 updates, at most
200 or a tenth of the plan), from the same first weights and in the same order of rows.
The choice is one step below the rate with the lowest training loss, of equal ones the
lowest rate.""",
    ),
    "graph": Verb(
        "graph",
        "graph",
        "value and gradient of every node of a computational graph",
        'nettrain graph "f = (x + y) * z" --at x=2,y=3,z=-4 --steps\n'
        "  nettrain graph configs/mlp.yaml --out network.svg",
        arguments.graph,
        """\
Of a config its network is taken as it begins, of a run as it was trained.

A recurrent layer's loop is drawn once, as a frame; dashed arrows take what a time step
leaves to the next one. Numbers go from the least to the largest of all time steps, and
the colour is that of the weakest gradient. --unroll draws the time steps one after the
other: up to five, of more the first three and the last two.

Blocks in a row that are built alike are drawn once, with ×4 if there are four, and the
numbers of the one with the weakest gradient. In a large network a layer is one box, ▸,
coloured by its weakest gradient. --unfold draws all there is. FILE.html has everything:
there a click unfolds a box and folds a frame.""",
    ),
    "evaluate": Verb(
        "apply",
        "evaluate",
        "loss and metrics of a trained model",
        "nettrain evaluate runs/wine/1 --data new.csv",
        arguments.evaluate,
    ),
    "predict": Verb(
        "apply",
        "predict",
        "predictions of a trained model for raw rows, as CSV",
        "nettrain predict runs/wine/1 --data new.csv --out predictions.csv",
        arguments.predict,
        """Of a classification the most probable class, and the probability of each;
of a regression the values.

A model that was trained on a text writes one: --sample 400 --prompt "Once". The same
run writes the same.""",
    ),
    "export": Verb(
        "export",
        "export",
        "a run's metrics or statistics as a table for other programs",
        "nettrain export runs/digits-mlp/1 --out metrics.csv\n"
        "  nettrain export runs/digits-mlp/1 statistics --out statistics.parquet",
        arguments.export,
        """\
A row per update, or per node and moment. What a row does not have is an empty cell in
CSV and null in Parquet, which needs pyarrow; nan is a number that was none. Floats keep
every bit. A file that is there already is left as it is.""",
    ),
    "list": Verb(
        "manual",
        "list_components",
        "the components that a config may name, and their settings",
        "nettrain list layers\n  nettrain list --schema > nettrain.schema.json",
        arguments.list,
        """\
An editor with YAML's language server completes, explains and checks a file by its
schema, which the first line of the file names, as a path from the file's folder:
# yaml-language-server: $schema=nettrain.schema.json""",
    ),
    "explain": Verb(
        "manual",
        "explain",
        "meaning, type, range and default of a key of the config",
        "nettrain explain optimizer.adam.learning_rate\n"
        "  nettrain explain method.random.points",
        arguments.explain,
    ),
    "bench": Verb(
        "train",
        "bench",
        "time and memory of a training step, with and without diagnosis",
        "nettrain bench configs/mlp.yaml --steps 200",
        arguments.bench,
    ),
    "selftest": Verb(
        "selftest",
        "selftest",
        "try on this machine and this disk what nettrain promises",
        "nettrain selftest --folder /mnt/data\n  nettrain selftest --quick",
        arguments.selftest,
        """\
What is promised: a run survives a crash, a power cut, a full disk and a damaged file;
what is resumed ends with the same bytes, whatever the surroundings; and the quick way
to compute gives what the plain one gives. Each is tried in many cases, in a fresh
folder in DIR, which is removed at the end. Where a promise was broken the folder is
kept, the exit code is 1, and it is told whether nettrain is to blame or the disk.""",
    ),
}


_ABOUT = "Train neural networks from one YAML file, and see why they do not learn."
_MORE = """\
nettrain VERB --help shows what a verb takes, with an example.
--version prints the version, --debug the traceback of an error."""


def overview() -> str:
    """What `nettrain --help` prints."""
    head = max(map(len, VERBS)) + 4
    listed = [f"  {name}".ljust(head) + verb.summary for name, verb in VERBS.items()]
    wide = width()
    return "\n".join(
        [
            "usage: nettrain VERB …",
            "",
            folded(_ABOUT, 0, wide),
            "",
            folded("\n".join(listed), head, wide),
            "",
            folded(_MORE, 2, wide),
            "",
            "example:",
            "  nettrain run configs/mlp.yaml",
        ]
    )


class _Parser(argparse.ArgumentParser):
    """One whose errors are ours."""

    def error(self, message: str) -> NoReturn:
        fix = f"{self.prog} --help shows what it takes, with an example"
        if message.startswith("argument --sort:"):  # --sort -validation/loss
            fix = "--sort KEY --reverse puts the largest first"
        raise Error("usage-arguments", message, fix=fix)


def parse(words: Sequence[str]) -> tuple[Verb, argparse.Namespace]:
    """The verb of a command line, and its arguments.

    Raises:
        Error: `usage-verb`, `usage-option` or `usage-arguments`.
        SystemExit: after printing the help that was asked for.
    """
    name, *rest = words
    if name not in VERBS:
        what = "option" if name.startswith("-") else "verb"
        fix = _similar(name, VERBS) or "nettrain --help lists the verbs"
        raise Error(f"usage-{what}", f'unknown {what} "{name}"', fix=fix)
    parser = _parser(name)
    # Overrides may stand before and after options: hence "intermixed".
    arguments, extra = parser.parse_known_intermixed_args(rest)
    for word in extra:
        raise _unexpected(word, parser)
    return VERBS[name], arguments


def _parser(name: str) -> _Parser:
    verb = VERBS[name]
    summary = verb.summary[0].upper() + verb.summary[1:] + "."
    parser = _Parser(
        prog=f"nettrain {name}",
        description=reflowed(f"{summary}\n\n{verb.details}".strip(), width()),
        epilog=f"example:\n  {verb.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    verb.takes(parser)
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error"
    )
    return parser


def _unexpected(word: str, parser: Parser) -> Error:
    if not word.startswith("-"):
        message, fix = f'unexpected argument "{word}"', "an argument with blanks"
        return Error("usage-arguments", message, fix=f"{fix} is put in quotes")
    option = word.partition("=")[0]
    known = parser._option_string_actions
    fix = _similar(option, known) or f"{parser.prog} --help lists the options"
    return Error("usage-option", f'unknown option "{option}"', fix=fix)


def _similar(name: str, known: Iterable[str]) -> str | None:
    from nettrain.component import suggest

    return suggest(name, known)
