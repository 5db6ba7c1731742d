"""``python -m faults``: run the corruption matrix on a finished run and print what did not hold, and counts."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import torch
from faults.made_run import make_run
from faults.matrix import COMMANDS, cases, clean_results, run_case

parser = argparse.ArgumentParser()
parser.add_argument("--made", type=Path, required=True, help="folder for the run that is damaged")
parser.add_argument("--each", type=int, default=2, help="commands for each file and damage")
parser.add_argument("--fast", action="store_true", help="only commands that take less than a second")
parser.add_argument("--only", default="", help="part of the names of cases")
parser.add_argument("--part", default="0/1", help="k/n: each n-th case, from the k-th on")
arguments = parser.parse_args()
torch.set_num_threads(1)
source = make_run(arguments.made)
names = [name for name, command in COMMANDS.items() if not (arguments.fast and command.slow)]
first, step = map(int, arguments.part.split("/"))
held, failures, spent = 0, [], Counter()
with tempfile.TemporaryDirectory() as folder:
    place = Path(folder)
    clean = clean_results(source, names, place)
    wanted = [case for case in cases(source.folder, names, arguments.each) if arguments.only in str(case)]
    for case in wanted[first::step]:
        begin = time.perf_counter()
        wrong = run_case(case, source, clean, place)
        spent[case.command] += time.perf_counter() - begin
        held += not wrong
        if wrong:
            failures.append(wrong)
            sys.stdout.write(f"{case}: {wrong}\n")
            sys.stdout.flush()
times = ", ".join(f"{name} {seconds:.0f}" for name, seconds in spent.items())
sys.stdout.write(f"{held + len(failures)} tried, {held} held; seconds: {times}\n")
sys.exit(bool(failures))
