"""Run commands in processes of their own, with a time limit, and measure what they cost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ape.evals.speed.batch import process_group

PAUSE = 0.1  # seconds between two looks at the memory
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Cost:
    """What commands cost, one after the other.

    Parameters
    ----------
    seconds, processor : float
        From the start of the first to the end of the last, and of all their processes.
    memory : float
        Largest sum over the processes of one command, MiB.
    others : float
        Processors that all other programs of the machine used meanwhile, on average.
    failed : str
        Why there is no result: ``limit``, or the last line of standard error; empty if there is one.
    """

    seconds: float
    processor: float
    memory: float
    others: float
    failed: str


def run(commands: list[list[str]], limit: float, threads: int, log: Path) -> Cost:
    """Run commands one after the other, and end them after ``limit`` seconds.

    Parameters
    ----------
    commands : list of list of str
    limit : float
        Seconds, of all together.
    threads : int
        For the numeric libraries of each process.
    log : Path
        File for standard output and standard error.
    """
    environment = os.environ | dict.fromkeys(THREADS, str(threads))
    began, busy, processor, memory, failed = time.perf_counter(), machine_seconds(), 0.0, 0.0, ""
    with log.open("wb") as output:
        for command in commands:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
            )
            try:
                ended, status, usage = os.wait4(process.pid, os.WNOHANG)
                while not ended:
                    memory = max(memory, sum(map(most_resident, process_group(process.pid))))
                    if time.perf_counter() - began > limit:
                        failed = "limit"
                        os.killpg(process.pid, signal.SIGKILL)
                    time.sleep(PAUSE)
                    ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
            process.returncode = os.waitstatus_to_exitcode(status)
            processor += usage.ru_utime + usage.ru_stime
            if process.returncode:
                failed = failed or last_line(log) or f"exit code {process.returncode}"
                break
    seconds = time.perf_counter() - began
    return Cost(seconds, processor, memory, max(0.0, machine_seconds() - busy - processor) / seconds, failed)


def machine_seconds() -> float:
    """Return the processor seconds that all programs have used since the machine started."""
    user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def most_resident(pid: int) -> float:
    """Return the largest memory of a process so far, MiB. `resource` would include that of its parent."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # the process has ended
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def last_line(log: Path) -> str:
    """Return the last line of a file, without a tab or a bar, which would break tables."""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip().replace("|", "/")[:100] for line in reversed(lines) if line.strip()), "")
