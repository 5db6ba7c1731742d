"""Run one command of ``ape`` and note which step its processor time goes to; see `ape.evals.speed.steps`.

A thread looks at the stacks of all others every few milliseconds and adds the processor time that each has used since
to the first step in `STEPS` that has a module in its stack. It imports nothing heavy, so that imports count as well.
"""

from __future__ import annotations

import contextlib
import json
import runpy
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

PERIOD = 0.002  # seconds
STEPS = {  # by module, the more special ones first
    "runs/packing": "packing and unpacking the folder",
    "runs/report": "report",
    "runs/batch_page": "report",
    "rules/sampling": "sampler",
    "rules/check": "check, without its samples",
    "tools/preview": "renderer",
    "tools/render": "renderer",
    "runs/pictures": "renderer",
    "series/matrix_profile": "tool matrix_profile",
    "agents/guide": "agents",
    "agents/expert": "agents",
    "agents/understanding": "agents",
    "detectors/training": "backbone: training",
    "detectors/many_series": "backbone: training",
    "posttrain/discriminator/branches": "post-training: its windows",
    "posttrain/discriminator/training": "post-training: steps",
    "posttrain/discriminator/adaptation": "post-training: its windows",
    "posttrain/normal_part": "post-training: normal part",
    "posttrain/trial": "acceptance",
    "posttrain/channels": "scores before and after",
    "posttrain/steps": "post-training: files",
    "monitor": "events and reasons",
    "series/loaders": "reading the series",
    "series/reading": "reading the series",
    "runs/checkpoints": "checkpoints and spans",
    "runs/tracing": "checkpoints and spans",
    "core/files": "writing files",
    "core/checksums": "writing files",
    "core/atomic": "writing files",
}
TOOLS = "tools/"  # each of its modules is a step
GRAPH, IMPORTS, START = "graph and checkpoints", "imports: ", "imports: Python itself"
SAMPLING = "this measurement"
PROJECT = str(Path(__file__).parents[2]) + "/"


def step_of(frame: FrameType | None) -> str:
    """Return the step of a stack, from its innermost frame."""
    modules, imported = [], list[str]()
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(PROJECT):
            modules.append(path.removeprefix(PROJECT).removesuffix(".py"))
        elif frame.f_code.co_name == "_find_and_load" and "importlib" in path:
            imported.append(frame.f_locals["name"].partition(".")[0])
        frame = frame.f_back
    if imported:  # of the libraries that import each other, the one that this package asks for
        return IMPORTS + next((name for name in reversed(imported) if name != "ape"), "ape")
    for part, step in STEPS.items():
        if any(module.startswith(part) for module in modules):
            return step
    return next((f"tool {module.removeprefix(TOOLS)}" for module in modules if module.startswith(TOOLS)), GRAPH)


@contextlib.contextmanager
def sampled(spent: defaultdict[str, float]) -> Iterator[None]:
    """Add to ``spent`` the processor seconds of each step."""
    over, used = threading.Event(), dict[int, float]()

    def look() -> None:
        frames = sys._current_frames()
        for thread in threading.enumerate():
            if thread is threading.current_thread() or thread.ident not in frames:
                continue
            with contextlib.suppress(OSError):  # the thread has ended
                now = int(Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text().split()[0]) / 1e9
                spent[step_of(frames[thread.ident])] += now - used.get(thread.ident, 0.0)
                used[thread.ident] = now

    def watch() -> None:
        while not over.wait(PERIOD):
            look()
        spent[SAMPLING] = time.thread_time()

    spent[START] = time.process_time()
    used[threading.main_thread().ident or 0] = spent[START]
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


if __name__ == "__main__":
    found, begun = defaultdict[str, float](float), time.perf_counter()
    noted, sys.argv = Path(sys.argv[1]), ["ape", *sys.argv[2:]]
    code: object = 0
    with sampled(found):
        try:
            runpy.run_module("ape.cli.main", run_name="__main__")
        except SystemExit as ended:
            code = ended.code
    document = {"steps": found, "wall": time.perf_counter() - begun, "processor": time.process_time()}
    noted.write_text(json.dumps(document), encoding="utf-8")
    sys.exit(0 if code in (0, None) else 1)
