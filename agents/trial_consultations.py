"""Two small consultations that show what a model can do: a planner with a text, and an inspector with pictures."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from ape.agents.brain import Brain
from ape.agents.consult import AnswerError, Consultation, consult
from ape.agents.records import Inspection, Plan
from ape.agents.sightings import with_known_pictures
from ape.core.errors import InputError
from ape.series import Series, from_array
from ape.tools import inspector_tools, planner_tools
from ape.tools.artefacts import Artefacts
from ape.tools.workbench import Workbench

FAILURE = "The pressure sensor sometimes sticks: it repeats its last reading for 10 to 20 samples."
NORMAL = "The peak at every full hour is normal, do not report it."
LENGTH, PERIOD = 360, 30

Finding = tuple[str, bool, str]  # ability, whether the model has it, details


def try_consultations(brain: Brain) -> list[Finding]:
    """Consult a planner and an inspector of a brain on a small series, and return what they can and cannot do.

    Parameters
    ----------
    brain : Brain

    Returns
    -------
    list of (str, bool, str)
        Abilities, whether the model has each, and details.
    """
    with tempfile.TemporaryDirectory() as folder:
        workbench = Workbench(_series(), Artefacts(Path(folder)))
        inspection_task = {"task": "inspect", "channels": ["pressure"], "users_pictures": 0}
        planned = _consult(brain, "planner", {"task": "plan"}, planner_tools(workbench), Plan, workbench)
        inspected = _consult(
            brain, "visual inspector", inspection_task, inspector_tools(workbench), Inspection, workbench
        )
    return [*_planning(planned), *_inspecting(inspected)]


def _series() -> Series:
    steps = np.arange(LENGTH)
    values = 3 + np.sin(2 * np.pi * steps / PERIOD) + 0.05 * np.random.default_rng(0).normal(size=LENGTH)
    return from_array(values, ["pressure"], text=f"{FAILURE}\n{NORMAL}")


def _consult(
    brain: Brain, agent: str, task: dict[str, Any], tools: list[BaseTool], schema: type[BaseModel], workbench: Workbench
) -> Consultation | str:
    """The consultation, or why there is none."""
    try:
        return asyncio.run(consult(brain, agent, task, tools, schema, workbench.artefacts))
    except AnswerError as error:
        return error.what
    except InputError as error:
        return f"no answer: {error.what}"


def _planning(planned: Consultation | str) -> list[Finding]:
    if isinstance(planned, str):
        return [("plan", False, planned)]
    plan: Plan = planned.answer
    reads = sum(evidence.startswith("read_text-") for evidence in planned.evidence)
    named = [hint for hint in plan.hints if not hint.benign and hint.quote and hint.quote in FAILURE]
    stuck = [hint for hint in named if hint.mechanism == "stuck_sensor"]
    other = f"takes it for {named[0].mechanism}" if named else "cites no words of it"
    quiet = not [hint for hint in plan.hints if not hint.benign and "normal" in hint.quote]
    return [
        ("plan", True, "; ".join(planned.notes) or f"answers with a Plan after {planned.usage.calls} replies"),
        ("reads the text", reads > 0, f"{len(planned.evidence)} tool calls, {reads} of them for the text"),
        ("finds a failure", bool(stuck), f"cites {stuck[0].quote[:60]!r}" if stuck else other),
        ("knows normal", quiet, "takes no normal behaviour for a failure" if quiet else "takes normal for a failure"),
    ]


def _inspecting(inspected: Consultation | str) -> list[Finding]:
    if isinstance(inspected, str):
        return [("inspection", False, inspected)]
    inspection: Inspection = inspected.answer
    cited = with_known_pictures(inspection, inspected.pictures).sightings
    seen = f"{len(inspection.sightings)} sightings in {len(inspected.pictures)} pictures, {len(cited)} of them cited"
    sees = inspection.sees_pictures and bool(inspected.pictures)
    return [
        ("inspection", True, "; ".join(inspected.notes) or f"answers after {inspected.usage.calls} replies"),
        ("sees pictures", sees, seen if sees else "says that it sees no pictures"),
        ("cites pictures", bool(cited), ", ".join(dict.fromkeys(sighting.look for sighting in cited)) or seen),
    ]
