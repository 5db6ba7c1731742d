"""The embedded inspector: sightings from the pixels of the pictures."""

from __future__ import annotations

import asyncio
import base64

import numpy as np
from langchain_core.messages import BaseMessage, HumanMessage

from ape.agents import open_brain
from ape.agents.consult import consult
from ape.agents.records import Inspection
from ape.tools import inspector_tools
from ape.tools.render import draw_stretch


def repainted(messages: list[BaseMessage], values: np.ndarray) -> list[BaseMessage]:
    """Return the conversation with a picture of ``values`` in place of every picture."""
    picture = {"base64": base64.b64encode(draw_stretch(values, 0, len(values))).decode()}

    def repaint(message: BaseMessage) -> BaseMessage:
        if not (isinstance(message, HumanMessage) and isinstance(message.content, list)):
            return message
        return HumanMessage(content=[b | picture if b["type"] == "image" else b for b in message.content])

    return [repaint(message) for message in messages]


def terms(inspection: Inspection) -> set[str]:
    return {sighting.look for sighting in inspection.sightings}


def test_nothing_is_seen_without_pictures(inspecting):
    assert inspecting.answer.sees_pictures and inspecting.answer.sightings
    without_pictures = [
        m for m in inspecting.conversations[-1] if not (isinstance(m, HumanMessage) and isinstance(m.content, list))
    ]
    answer = inspecting.answer_after(without_pictures)
    assert not answer.sees_pictures and answer.sightings == []


def test_sightings_follow_the_pixels(inspecting):
    step = np.repeat([0.0, 1.0], [700, 300]) + 0.03 * np.random.default_rng(0).normal(size=1000)
    of_step = terms(inspecting.answer_after(repainted(inspecting.conversations[-1], step)))
    assert "regular_cycles" in terms(inspecting.answer) and "level_steps" not in terms(inspecting.answer)
    assert "level_steps" in of_step and "regular_cycles" not in of_step


def test_step_between_flat_levels_is_seen(inspecting):
    step = np.repeat([0.0, 1.0], [700, 300])
    assert "level_steps" in terms(inspecting.answer_after(repainted(inspecting.conversations[-1], step)))


def test_inspector_states_that_it_cannot_read_users_pictures(bench):
    task = {"task": "inspect", "channels": ["value"], "users_pictures": 2}
    brain = open_brain("embedded")
    outcome = asyncio.run(consult(brain, "visual inspector", task, inspector_tools(bench), Inspection, bench.artefacts))
    assert "cannot read the 2" in outcome.answer.rationale
