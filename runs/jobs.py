"""One map over many jobs that can be killed and go on: local processes, or a Ray cluster, with the same results.

Each job's result is a JSON file of its name, written at once or not at all; a job whose file is there is not done
again. A job that fails leaves a line in ``failures.json`` and is tried again in the next call; a worker that dies costs
its own job only.
"""

from __future__ import annotations

import importlib.util
import logging
import multiprocessing
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from ape.core.errors import InputError
from ape.core.files import read_json, write_json

FAILURES = "failures.json"
DEATHS = 2  # of a worker, at the same job, until the job is taken to be what kills it
CONNECTING = 5.0  # seconds
NAME = re.compile(r"[\w][\w .,+()|=-]*")

Work = Callable[[str], dict[str, Any]]
Told = Callable[[str, "str | None"], None]


def map_jobs(
    names: Sequence[str],
    work: Work,
    out: Path,
    workers: int = 2,
    ray: str | None = None,
    told: Told = lambda name, error: None,
) -> dict[str, dict[str, Any]]:
    """Results of ``work(name)`` for all names, in their order; failed ones are left out.

    Parameters
    ----------
    names : sequence of str
        They become file names.
    work : callable
        Importable by name, so that other processes find it; what it returns is plain data.
    out : Path
        Folder of the results and of ``failures.json``: a line of explanation by name.
    workers : int
        Local processes, of one thread each.
    ray : str, optional
        ``auto`` or the address of a Ray cluster, which then does the work; takes the extra ``ray``.
    told : callable
        Told ``(name, error)`` as jobs end, ``None`` where there was none.

    Raises
    ------
    InputError
        A name that cannot be a file's, or no such cluster.
    """
    if bad := [name for name in names if not NAME.fullmatch(name)]:
        raise InputError(f"a job cannot be called '{bad[0][:60]}'", "jobs", "use letters, digits, spaces and ._+-")
    out.mkdir(parents=True, exist_ok=True)
    missing = [name for name in names if _result(out, name) is None]
    failures = {name: why for name, why in _failures(out).items() if name not in missing}
    ended = _on_ray(missing, work, ray) if ray is not None else _locally(missing, work, workers)
    for name, result, error in ended:
        if error is None:
            write_json(out / f"{name}.json", result)
        else:
            failures[name] = error
        told(name, error)
    write_json(out / FAILURES, failures)
    return {name: result for name in names if (result := _result(out, name)) is not None}


Ended = Iterator[tuple[str, "dict[str, Any] | None", "str | None"]]


def _locally(names: list[str], work: Work, workers: int) -> Ended:
    """Do jobs in processes; where one dies with its worker, all unfinished ones go on in new ones."""
    deaths = dict.fromkeys(names, 0)
    left = list(names)
    while left:
        alone = [name for name in left if deaths[name]]  # suspects go one by one, so that it is clear who dies
        batch, size = (alone[:1], 1) if alone else (left, workers)
        with ProcessPoolExecutor(min(size, len(batch)), _processes(), initializer=_one_thread) as pool:
            begun: dict[Future[dict[str, Any]], str] = {pool.submit(work, name): name for name in batch}
            running = set(begun)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name, error = begun[future], future.exception()
                    if isinstance(error, BrokenProcessPool):
                        continue
                    left.remove(name)
                    yield name, None if error else future.result(), _line(error)
                if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                    break
            died = [name for name in batch if name in left]
        for name in died:
            deaths[name] += 1 if len(batch) == 1 or name in died[:size] else 0
            if deaths[name] > DEATHS:
                left.remove(name)
                yield name, None, f"its worker died {deaths[name]} times: out of memory, or killed"


def _on_ray(names: list[str], work: Work, address: str) -> Ended:
    if importlib.util.find_spec("ray") is None:
        raise InputError("Ray is not installed", "--ray", "pip install 'ape-tsad[ray]'")
    import ray

    try:
        host, colon, port = address.removeprefix("ray://").rpartition(":")
        if colon:  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), CONNECTING).close()
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"no Ray cluster: {_line(error)}", address, "start one with 'ray start --head'") from error
    remote = ray.remote(max_retries=DEATHS)(_one_threaded(work))
    names_of = {remote.remote(name): name for name in names}
    try:
        while names_of:
            (ended, *_), _ = ray.wait(list(names_of), num_returns=1)
            name = names_of.pop(ended)
            try:
                yield name, ray.get(ended), None
            except ray.exceptions.RayTaskError as error:
                yield name, None, _line(error.cause)
            except ray.exceptions.RayError as error:
                yield name, None, _line(error)
    finally:
        ray.shutdown()


def _processes() -> multiprocessing.context.BaseContext:
    """How workers are begun: as copies of this process, unless it has threads of numba's, which do not outlive that."""
    numba = sys.modules.get("numba")
    try:
        launched = numba is not None and bool(numba.threading_layer())
    except ValueError:
        launched = False
    return multiprocessing.get_context("forkserver" if launched else "fork")


def _one_threaded(work: Work) -> Work:
    def one(name: str) -> dict[str, Any]:
        _one_thread()
        return work(name)

    return one


def _one_thread() -> None:
    import numba
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    numba.set_num_threads(1)
    threadpool_limits(1)


def _result(out: Path, name: str) -> dict[str, Any] | None:
    """What is kept of a job; one that cannot be read is not there."""
    try:
        return read_json(out / f"{name}.json", "result")
    except InputError:
        return None


def _failures(out: Path) -> dict[str, str]:
    try:
        return dict(read_json(out / FAILURES, "failures"))
    except InputError:
        return {}


def _line(error: BaseException | None) -> str | None:
    if error is None:
        return None
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def show_progress(total: int) -> Told:
    """What tells each ended job on a line of standard error, with the time that is left."""
    began, ended = time.monotonic(), 0

    def told(name: str, error: str | None) -> None:
        nonlocal ended
        ended += 1
        left = (time.monotonic() - began) / ended * (total - ended)
        sys.stderr.write(f"{ended} of {total}, {left / 60:.0f} min left: {name}{f': {error}' if error else ''}\n")

    return told
