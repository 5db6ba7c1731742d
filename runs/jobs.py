"""Map a function over many jobs, in local processes or on a Ray cluster, with the same results; the map is resumable.

The result of each job is a JSON file named after it, written atomically; a job whose file exists is not repeated. A
failed job adds a line to ``failures.json`` and is retried by the next call. A worker that dies costs only its own job.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import re
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

from ape.core.errors import InputError
from ape.core.extras import require_extra
from ape.core.files import read_json, write_json
from ape.core.limits import shortage, what_failed
from ape.core.processes import require_shared_memory, start_worker, starting_workers

FAILURES = "failures.json"
MAX_DEATHS = 2  # workers that may die at one job before the job counts as failed
CONNECT_TIMEOUT = 5.0  # seconds
NAME = re.compile(r"[\w][\w .,+()|=-]*")
NAME_CHARACTERS = "letters, digits, spaces and . , + ( ) | = - _"

Work = Callable[[str], dict[str, Any]]
OnDone = Callable[[str, "str | None"], None]
Ended = Iterator[tuple[str, "dict[str, Any] | None", "str | None"]]


def map_jobs(
    names: Sequence[str],
    work: Work,
    out: Path,
    workers: int = 2,
    ray: str | None = None,
    on_done: OnDone = lambda name, error: None,
    needs: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Return the results of ``work(name)`` for all names, in their order, without the failed ones.

    Parameters
    ----------
    names : sequence of str
        They are used as file names.
    work : callable
        Importable by name, so that other processes find it; it returns plain data.
    out : Path
        Folder for the results and for ``failures.json``, which has one line of explanation per failed job.
    workers : int
        Local processes with one thread each.
    ray : str, optional
        ``auto`` or the address of a Ray cluster that runs the jobs; needs the extra ``ray``.
    on_done : callable
        Called as ``on_done(name, error)`` when a job ends; ``error`` is ``None`` for a success.
    needs : sequence of str
        Modules that the work imports late. Local workers share one import of them.

    Raises
    ------
    InputError
        A name cannot be a file name, the cluster cannot be reached, or no processes can be started.
    """
    if bad := [name for name in names if not NAME.fullmatch(name)]:
        raise InputError(f"'{bad[0][:60]}' cannot be the name of a job", "jobs", f"use {NAME_CHARACTERS}")
    missing = unfinished(names, out)
    if missing and ray is not None:
        connect(ray)
    if missing and ray is None:
        require_shared_memory()
    out.mkdir(parents=True, exist_ok=True)
    failures = {name: why for name, why in _failures(out).items() if name not in missing}
    ended = _on_ray(missing, work) if ray is not None else _locally(missing, work, workers, needs)
    for name, result, error in ended:
        if error is None:
            write_json(out / f"{name}.json", result)
        else:
            failures[name] = error
            write_json(out / FAILURES, failures)
        on_done(name, error)
    write_json(out / FAILURES, failures)
    return {name: result for name in names if (result := stored_result(out, name)) is not None}


def unfinished(names: Iterable[str], out: Path) -> list[str]:
    """Return the names of the jobs without a result."""
    return [name for name in names if stored_result(out, name) is None]


def _locally(names: list[str], work: Work, workers: int, needs: Sequence[str]) -> Ended:
    """Run jobs in processes; if a worker dies, restart all unfinished jobs in new processes."""
    deaths = dict.fromkeys(names, 0)
    left = list(names)
    while left:
        alone = [name for name in left if deaths[name]]  # suspects run one at a time, to find the job that kills
        batch, size = (alone[:1], 1) if alone else (left, workers)
        with ProcessPoolExecutor(min(size, len(batch)), _processes(work, needs), _start_worker, (work,)) as pool:
            with starting_workers():
                started: dict[Future[dict[str, Any]], str] = {pool.submit(_work_on, name): name for name in batch}
            running = set(started)
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name, error = started[future], future.exception()
                    if isinstance(error, BrokenProcessPool):
                        continue
                    left.remove(name)
                    yield name, None if error else future.result(), _line(error)
                if any(isinstance(future.exception(), BrokenProcessPool) for future in done):
                    break
            died = [name for name in batch if name in left]
        for name in died:
            deaths[name] += 1 if len(batch) == 1 or name in died[:size] else 0
            if deaths[name] > MAX_DEATHS:
                left.remove(name)
                yield name, None, f"its worker died {deaths[name]} times: out of memory, or killed"


def connect(address: str) -> None:
    """Connect to a Ray cluster; what writes before it maps does this first, so that a wrong address leaves nothing.

    Raises
    ------
    InputError
        Ray is not installed, or the cluster cannot be reached.
    """
    require_extra("ray", ["ray"], "a cluster", "--ray")
    import ray

    try:
        host, colon, port = address.removeprefix("ray://").rpartition(":")
        if colon:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), CONNECT_TIMEOUT).close()
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"no Ray cluster: {_line(error)}", address, "start one with 'ray start --head'") from error


def _on_ray(names: list[str], work: Work) -> Ended:
    if not names:
        return
    import ray

    remote = ray.remote(max_retries=MAX_DEATHS)(_one_threaded(work))
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


def _processes(work: Work, needs: Sequence[str]) -> multiprocessing.context.BaseContext:
    """Return how to start workers: by fork, which is unsafe once numba threads run in this process.

    What the workers need is imported before, once and not by each of them.
    """
    numba = sys.modules.get("numba")
    try:
        launched = numba is not None and bool(numba.threading_layer())
    except ValueError:
        launched = False
    if not launched:
        for module in needs:
            importlib.import_module(module)
        return multiprocessing.get_context("fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["numba", "torch", getattr(work, "func", work).__module__, *needs])
    return context


_worker: dict[str, Work] = {}  # in a worker: its work, which may be large and is therefore sent once


def _start_worker(work: Work) -> None:
    try:
        start_worker()
        _one_thread()
    except (OSError, RuntimeError) as error:  # the pool would print a traceback, and tell the jobs nothing
        work = partial(_fail, error)
    _worker["work"] = work


def _fail(error: Exception, _name: str) -> dict[str, Any]:
    raise error


def _work_on(name: str) -> dict[str, Any]:
    return _worker["work"](name)


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


def stored_result(out: Path, name: str) -> dict[str, Any] | None:
    """Return the stored result of a job; an unreadable file counts as none."""
    try:
        result = read_json(out / f"{name}.json", "result")
    except InputError:
        return None
    return result if isinstance(result, dict) else None


def _failures(out: Path) -> dict[str, str]:
    try:
        failures = read_json(out / FAILURES, "failures")
    except InputError:
        return {}
    return failures if isinstance(failures, dict) else {}


def _line(error: BaseException | None) -> str | None:
    if error is None:
        return None
    if isinstance(error, OSError) and error.errno:
        return what_failed(error)
    text = " ".join(str(error).split())
    return text if isinstance(error, InputError) else shortage(error) or f"{type(error).__name__}: {text[:300]}"


def show_progress(total: int) -> OnDone:
    """Return a callback that prints each finished job and the time left to standard error."""
    start, ended = time.monotonic(), 0

    def on_done(name: str, error: str | None) -> None:
        nonlocal ended
        ended += 1
        left = (time.monotonic() - start) / ended * (total - ended)
        sys.stderr.write(f"{ended} of {total}, {left / 60:.0f} min left: {name}{f': {error}' if error else ''}\n")

    return on_done
