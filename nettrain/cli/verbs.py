"""The verbs and what each takes. Their help must not import what they do."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from nettrain.errors import Error

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


# ---------------------------------------------------------------- arguments


def _config(parser: Parser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="a YAML file")
    _overrides(parser)


def _overrides(parser: Parser) -> None:
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="KEY=VALUE",
        help="settings that go before the file's: optimizer.adam.learning_rate=0.01",
    )
    _plugin(parser)


def _plugin(parser: Parser) -> None:
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="FILE",
        help="a Python file of yours that registers components; it is run",
    )


def _run_folder(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder: runs/digits-mlp/1")


def _json(parser: Parser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document and nothing else"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1, 2, 3, …, got {text!r}")
    return int(text)


def _takes_run(parser: Parser) -> None:
    _config(parser)
    parser.add_argument(
        "--out", metavar="DIR", help="the run folder; runs/NAME/NUMBER if not given"
    )
    parser.add_argument(
        "--seeds",
        type=_count,
        metavar="N",
        help="N runs, with seed, seed+1, …, and a table of means over them",
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="train although the very same run is finished already",
    )


def _takes_resume(parser: Parser) -> None:
    _run_folder(parser)
    _overrides(parser)


def _takes_check(parser: Parser) -> None:
    _config(parser)
    parser.add_argument(
        "--probe",
        action="store_true",
        help="try it: 20 updates, one batch learned by heart, every gradient checked",
    )
    _json(parser)


def _takes_lr(parser: Parser) -> None:
    _config(parser)
    parser.add_argument("--out", metavar="FILE.svg", help="draw the loss over the rate")
    _json(parser)


def _takes_doctor(parser: Parser) -> None:
    _run_folder(parser)
    _plugin(parser)
    parser.add_argument(
        "--apply",
        metavar="NEW.yaml",
        help="write a config that extends the run's own by the patch",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="train with the patch, and further ones, and keep those that help",
    )
    _json(parser)


def _takes_report(parser: Parser) -> None:
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="a run folder: runs/digits-mlp/1"
    )
    _plugin(parser)
    parser.add_argument(
        "--png", action="store_true", help="write the pictures in plots/ as PNG too"
    )
    parser.add_argument(
        "--out",
        metavar="FILE.html",
        help="the page of several runs; report.html if not given",
    )


def _takes_graph(parser: Parser) -> None:
    parser.add_argument(
        "what",
        metavar="CONFIG|RUN|EXPRESSION",
        help='a config, a run folder, or an expression: "f = (x + y) * z"',
    )
    _overrides(parser)
    parser.add_argument(
        "--at",
        default="",
        metavar="NAMES",
        help="values of an expression's names: x=2,y=[1,2]",
    )
    parser.add_argument(
        "--weights",
        metavar="NAMES",
        help="names of an expression that are weights: w1,w2",
    )
    parser.add_argument(
        "--steps", action="store_true", help="explain the calculation node by node"
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=0.1,
        help="learning rate of the update that ends --steps; 0.1 if not given",
    )
    parser.add_argument(
        "--out", metavar="FILE", help="draw it: FILE.svg, .png, .html or .dot"
    )
    parser.add_argument(
        "--unroll",
        action="store_true",
        help="draw the time steps of recurrent layers one after the other",
    )
    parser.add_argument(
        "--unfold",
        action="store_true",
        help="draw every operation, however large the picture",
    )
    _json(parser)


def _takes_evaluate(parser: Parser) -> None:
    _run_folder(parser)
    _plugin(parser)
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="raw rows with their targets; the run's own data if not given",
    )
    _json(parser)


def _takes_predict(parser: Parser) -> None:
    _run_folder(parser)
    _plugin(parser)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--data", metavar="FILE", help="raw rows")
    asked.add_argument(
        "--sample",
        type=_count,
        metavar="N",
        help="N characters of its own, of a model that was trained on a text",
    )
    parser.add_argument(
        "--prompt", default="", metavar="TEXT", help="the text that --sample goes on"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="where to; standard output if not given"
    )


def _takes_list(parser: Parser) -> None:
    parser.add_argument(
        "kind", nargs="?", metavar="KIND", help="layers, losses, optimizers, …"
    )
    _plugin(parser)
    parser.add_argument(
        "--schema",
        action="store_true",
        help="print the JSON Schema of a config, for editors",
    )


def _takes_explain(parser: Parser) -> None:
    parser.add_argument(
        "path", metavar="PATH", help="a key of a config, or a component's name"
    )
    _plugin(parser)


def _takes_bench(parser: Parser) -> None:
    _config(parser)
    parser.add_argument(
        "--steps",
        type=_count,
        default=50,
        metavar="N",
        help="how many steps of each kind are timed; 50 if not given",
    )
    _json(parser)


def _takes_selftest(parser: Parser) -> None:
    parser.add_argument(
        "--folder",
        default=".",
        metavar="DIR",
        help="the disk to try is that of DIR; the working folder's if not given",
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer cases: seconds, not minutes"
    )
    _json(parser)


# ---------------------------------------------------------------- the verbs

VERBS = {
    "run": Verb(
        "train",
        "run",
        "train what a config describes, and say how it went",
        "nettrain run configs/mlp.yaml optimizer.adam.learning_rate=0.01 seed=3",
        _takes_run,
        "Everything is checked before anything is written.",
    ),
    "resume": Verb(
        "train",
        "resume",
        "go on with a run from its newest checkpoint",
        "nettrain resume runs/digits-mlp/1 train.epochs=80",
        _takes_resume,
        "The result is that of a run which was never interrupted.",
    ),
    "check": Verb(
        "check",
        "check",
        "validate a config and its data, show its layers and what will go wrong",
        "nettrain check configs/mlp.yaml --probe",
        _takes_check,
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
learned; and each gradient beside central differences in float64.""",
    ),
    "doctor": Verb(
        "doctor",
        "doctor",
        "what is wrong with a run, its one cause first, and the config that mends it",
        "nettrain doctor runs/sick-vanishing/1 --apply mended.yaml --verify",
        _takes_doctor,
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
        "  nettrain report runs/digits-mlp/1 runs/digits-mlp/2 --out both.html",
        _takes_report,
        """\
Pictures and report.html are written anew into the folder of the run, as at its end. Of
several runs one more page has their verdicts, and their curves over each other.""",
    ),
    "lr": Verb(
        "lr",
        "lr",
        "which learning rate a config should have, by trying ten of them",
        "nettrain lr configs/mlp.yaml --out learning-rate.svg",
        _takes_lr,
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
        _takes_graph,
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
        _takes_evaluate,
    ),
    "predict": Verb(
        "apply",
        "predict",
        "predictions of a trained model for raw rows, as CSV",
        "nettrain predict runs/wine/1 --data new.csv --out predictions.csv",
        _takes_predict,
        """Of a classification the most probable class, and the probability of each;
of a regression the values.

A model that was trained on a text writes one: --sample 400 --prompt "Once". The same
run writes the same.""",
    ),
    "list": Verb(
        "manual",
        "list_components",
        "the components that a config may name, and their settings",
        "nettrain list layers",
        _takes_list,
    ),
    "explain": Verb(
        "manual",
        "explain",
        "meaning, type, range and default of a key of the config",
        "nettrain explain optimizer.adam.learning_rate",
        _takes_explain,
    ),
    "bench": Verb(
        "train",
        "bench",
        "time and memory of a training step, with and without diagnosis",
        "nettrain bench configs/mlp.yaml --steps 200",
        _takes_bench,
    ),
    "selftest": Verb(
        "selftest",
        "selftest",
        "try on this machine and this disk what nettrain promises",
        "nettrain selftest --folder /mnt/data\n  nettrain selftest --quick",
        _takes_selftest,
        """\
What is promised: a run survives a crash, a power cut, a full disk and a damaged file;
what is resumed ends with the same bytes, whatever the surroundings; and the quick way
to compute gives what the plain one gives. Each is tried in many cases, in a fresh
folder in DIR, which is removed at the end. Where a promise was broken the folder is
kept, the exit code is 1, and it is told whether nettrain is to blame or the disk.""",
    ),
}


def overview() -> str:
    """What `nettrain --help` prints."""
    width = max(map(len, VERBS)) + 2
    listed = [f"  {name:<{width}}{verb.summary}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "usage: nettrain VERB …",
            "",
            "Train neural networks from one YAML file, and see why they do not learn.",
            "",
            *listed,
            "",
            "nettrain VERB --help shows what a verb takes, with an example.",
            "--version prints the version, --debug the traceback of an error.",
            "",
            "example:",
            "  nettrain run configs/mlp.yaml",
        ]
    )


class _Parser(argparse.ArgumentParser):
    """One whose errors are ours."""

    def error(self, message: str) -> NoReturn:
        fix = f"{self.prog} --help shows what it takes, with an example"
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
        description=f"{summary}\n\n{verb.details}".strip(),
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
