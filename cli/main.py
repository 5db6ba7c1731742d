"""The ``ape`` command: parse, call, print. Errors that a person can fix come as one line with exit code 2."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

import ape


def build_parser() -> argparse.ArgumentParser:
    """Arguments of every command."""
    parser = argparse.ArgumentParser(
        prog="ape", description="Make time-series anomaly detectors better after they have been trained."
    )
    parser.set_defaults(module="ape.cli.commands")  # where the function of the command's name stands
    parser.add_argument("--version", action="version", version=f"ape {ape.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    series = argparse.ArgumentParser(add_help=False)
    series.add_argument("data", metavar="DATA", help="CSV, NPZ or UCR text file, or example:internal-bleeding")
    _series_options(series)
    seeded = argparse.ArgumentParser(add_help=False)
    seeded.add_argument("--seed", type=_seed, default=0, metavar="N", help="default: 0")
    backbone = argparse.ArgumentParser(add_help=False)
    backbone.add_argument(
        "--backbone", default="vae", metavar="NAME", help="default: vae; 'ape detectors list' tells all"
    )
    mining = argparse.ArgumentParser(add_help=False)
    mining.add_argument("--text", metavar="FILE", help="what people wrote about the scenario")
    mining.add_argument("--log", metavar="FILE", help="a log; lines after the training part are left out")
    mining.add_argument(
        "--image", action="append", metavar="FILE", help="a picture for the visual inspector; may be repeated"
    )
    mining.add_argument(
        "--brain",
        metavar="URL",
        help="the agents' model: 'embedded', or the address of a server; default: APE_BRAIN_URL, else embedded",
    )

    run = commands.add_parser(
        "run", parents=[seeded, backbone, mining], help="series in; Rule Bank, better detector, scores and report out"
    )
    run.add_argument("data", nargs="?", metavar="DATA", help="CSV, NPZ or UCR text file, or example:internal-bleeding")
    _series_options(run)
    run.add_argument("--out", metavar="DIR", help="run folder; default: runs/NAME")
    run.add_argument("--resume", metavar="DIR", help="resume the run in DIR")
    run.add_argument(
        "--approve",
        action="store_true",
        help="stop before post-training until a person approves the rules; with --resume: approve them",
    )
    run.add_argument(
        "--drop", action="append", metavar="RULE", help="with --resume: approve all rules but this; may be repeated"
    )
    mine = commands.add_parser("mine", parents=[series, seeded, mining], help="mine the Rule Bank only")
    mine.add_argument("--out", metavar="DIR", required=True)
    train = commands.add_parser("train", parents=[series, seeded, backbone], help="train a backbone only")
    train.add_argument("--out", metavar="DIR", required=True)
    enhance = commands.add_parser("enhance", parents=[series, seeded], help="post-train a detector with a bank")
    enhance.add_argument("--detector", metavar="DIR", required=True, help="folder that 'ape train' left")
    enhance.add_argument("--bank", metavar="FILE", required=True, help="bank.json, or the folder that holds it")
    enhance.add_argument("--out", metavar="DIR", required=True)
    score = commands.add_parser("score", parents=[series], help="score a series with a detector")
    score.add_argument("--detector", metavar="DIR", required=True, help="plain or enhanced")
    score.add_argument("--own", action="store_true", help="by the score of the backbone's paper, not by its error")
    score.add_argument("--out", metavar="DIR", required=True)

    bank = commands.add_parser("bank", help="look at a Rule Bank")
    looks = bank.add_subparsers(dest="look", required=True, metavar="LOOK")
    for look, what in (("validate", "check every field"), ("show", "its rules as a table")):
        looks.add_parser(look, help=what).add_argument("bank", metavar="BANK", help="bank.json, or a run folder")
    looks.add_parser("schema", help="the JSON Schema of banks")
    _bench_options(
        commands.add_parser("bench", help="TimeAnomaly-Bench: simulated scenarios with faults and the truth"),
        series,
        seeded,
    )
    _eval_options(commands.add_parser("eval", help="does it help, on what, by how much: experiments"))
    backbones = commands.add_parser("detectors", help="the backbones")
    backbones.add_subparsers(dest="act", required=True, metavar="ACT").add_parser(
        "list", help="where each is from, what it scores by, what it takes for granted"
    )
    brain = commands.add_parser("brain", help="the server that agents can think with")
    brain.set_defaults(module="ape.cli.brain")
    acts = brain.add_subparsers(dest="act", required=True, metavar="ACT")
    serve = acts.add_parser("serve", help="the vLLM line for the GPU found here; runs it where vLLM is installed")
    serve.add_argument("--model", metavar="NAME", help="default: the largest Qwen3-VL that fits the GPU")
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="default: 8000")
    check = acts.add_parser("check", help="ask a running server for what the agents need")
    check.add_argument("url", nargs="?", metavar="URL", help="default: APE_BRAIN_URL")
    chat = commands.add_parser("chat", parents=[seeded, backbone, mining], help="explore one scenario in conversation")
    chat.set_defaults(module="ape.cli.chat")
    chat.add_argument("data", nargs="?", metavar="DATA", help="CSV, NPZ or UCR text file, or example:internal-bleeding")
    _series_options(chat)
    chat.add_argument("--out", metavar="DIR", help="run folder; default: runs/chat-NAME")
    chat.add_argument("--resume", metavar="DIR", help="go on with the conversation in DIR")
    chat.add_argument("--thread", default="main", metavar="NAME", help="with --resume: a branch of it; default: main")
    serve = commands.add_parser("serve", parents=[seeded, backbone, mining], help="the same on a page of this machine")
    serve.set_defaults(module="ape.cli.serve")
    serve.add_argument("--out", default="runs/chats", metavar="DIR", help="of the conversations; default: runs/chats")
    serve.add_argument("--port", type=int, default=7860, metavar="N", help="default: 7860")
    _batch_options(commands.add_parser("batch", parents=[seeded, backbone, mining], help="mine many series unattended"))
    _trace_options(commands.add_parser("trace", help="what a run did and why: its agents, tools, checks, decisions"))
    doctor = commands.add_parser("doctor", help="what this machine has, and what to do about what it lacks")
    doctor.set_defaults(module="ape.cli.doctor")
    commands.add_parser("warm-up", help="compile the matrix profile once, ahead of the first run")
    return parser


def _bench_options(
    bench: argparse.ArgumentParser, series: argparse.ArgumentParser, seeded: argparse.ArgumentParser
) -> None:
    bench.set_defaults(module="ape.cli.bench")
    acts = bench.add_subparsers(dest="act", required=True, metavar="ACT")
    acts.add_parser("list", help="a line for each fault: scenario, fault, mechanism, morphology")
    make = acts.add_parser("make", parents=[seeded], help="make a set of series with texts and truth")
    make.add_argument("--out", metavar="DIR", required=True)
    make.add_argument(
        "--config", metavar="FILE", help="JSON with sizes, events and severity; default: 10 of 10,000 each"
    )
    supplement = acts.add_parser(
        "supplement", parents=[series, seeded], help="faults of the output in a real series that is normal throughout"
    )
    supplement.add_argument("--out", metavar="DIR", required=True)
    describe = acts.add_parser("describe", help="a scenario, or the data card of a set")
    describe.add_argument("what", metavar="WHAT", help="name of a scenario, or folder of a set")
    gallery = acts.add_parser("gallery", parents=[seeded], help="HTML page: each fault beside its twin")
    gallery.add_argument("--out", metavar="FILE", required=True)


def _eval_options(evaluation: argparse.ArgumentParser) -> None:
    evaluation.set_defaults(module="ape.cli.eval")
    acts = evaluation.add_subparsers(dest="act", required=True, metavar="ACT")
    run = acts.add_parser("run", help="measure what is missing, then write the report; goes on after a kill")
    run.add_argument("experiment", metavar="EXPERIMENT", help="a .toml file, or the name of one that comes with APE")
    run.add_argument("--data", metavar="DIR", help="folder of the published UCR files; default: sets in APE_DEV_DATA")
    run.add_argument("--out", metavar="DIR", help="default: runs/eval-EXPERIMENT")
    run.add_argument("--workers", type=int, default=2, metavar="N", help="processes of one thread each; default: 2")
    run.add_argument("--ray", metavar="ADDRESS", help="'auto' or the address of a Ray cluster that does the work")
    acts.add_parser("report", help="write the report anew").add_argument("run", metavar="DIR", help="what --out was")
    compare = acts.add_parser("compare", help="what changed between two runs, and whether it is noise")
    compare.add_argument("before", metavar="A")
    compare.add_argument("after", metavar="B")


def _batch_options(batch: argparse.ArgumentParser) -> None:
    batch.set_defaults(module="ape.cli.batch")
    batch.add_argument("manifest", metavar="MANIFEST", help="a folder, a glob, or a CSV with the column 'path'")
    _series_options(batch)
    batch.add_argument("--out", metavar="DIR", required=True, help="said again with the same one, it goes on")
    batch.add_argument("--enhance", action="store_true", help="train, post-train and score all of them too, together")
    batch.add_argument("--workers", type=int, default=2, metavar="N", help="processes of one thread each; default: 2")
    batch.add_argument("--ray", metavar="ADDRESS", help="'auto' or the address of a Ray cluster that does the mining")
    batch.add_argument("--timeout", type=float, metavar="SECONDS", help="for each series; default: none")
    batch.add_argument("--retries", type=int, default=1, metavar="N", help="of what failed unexpectedly; default: 1")


def _trace_options(trace: argparse.ArgumentParser) -> None:
    trace.set_defaults(module="ape.cli.trace")
    trace.add_argument("run", metavar="RUN", help="run folder")
    trace.add_argument("--agent", metavar="NAME", help="only what this agent did, such as 'rule critic'")
    trace.add_argument("--rule", metavar="RULE", help="only what touches this rule")
    told = trace.add_mutually_exclusive_group()
    told.add_argument("--why", metavar="RULE", help="from a rule back to the evidence it rests on")
    told.add_argument("--html", action="store_true", help="one page with timeline and pictures, into RUN/trace.html")
    told.add_argument("--against", metavar="RUN", help="how the banks of two runs differ")
    told.add_argument("--fork", type=int, metavar="STEP", help="a new run from this step on, with another decision")
    for word, what in (("accept", "accepted"), ("reject", "rejected"), ("revise", "sent back")):
        trace.add_argument(f"--{word}", action="append", metavar="RULE", help=f"with --fork: {what} at that step")
    trace.add_argument("--out", metavar="DIR", help="with --fork: the new run folder")


def _series_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--column", action="append", metavar="NAME", help="channel to use; may be repeated")
    parser.add_argument("--train-end", type=int, metavar="N", help="points before N are taken as normal")


def _seed(word: str) -> int:
    seed = int(word)
    if not 0 <= seed < 2**31:
        msg = "give a whole number from 0 to 2147483647"
        raise argparse.ArgumentTypeError(msg)
    return seed


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the return value is the exit code."""
    arguments = build_parser().parse_args(argv)
    from ape.core.errors import InputError

    try:
        commands = importlib.import_module(arguments.module)
        getattr(commands, arguments.command.replace("-", "_"))(arguments)
    except InputError as error:
        sys.stderr.write(f"ape: {error}\n")
        return 2
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        sys.stderr.write(
            f"ape: {error.strerror or error} ({error.filename or 'disk'}): free space or check permissions\n"
        )
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("ape: stopped; 'ape run --resume DIR', or the same command again, goes on from there\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
