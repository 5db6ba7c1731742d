"""The embedded brain: a LangChain chat model that derives its replies from the messages by rules.

It gets the same prompts, tools and schemas as a language model, and replies with the same tool calls and structured
answers. It has no access to the series except through the messages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import BaseModel

from ape.agents.expert import critic, inspector, planner, profiler
from ape.agents.expert.transcript import ToolCalls, Transcript, parse_messages
from ape.agents.guide import guide

NEXT_CALLS: dict[str, Callable[[Transcript], ToolCalls]] = {
    "planner": planner.next_calls,
    "profiler": profiler.next_calls,
    "visual inspector": inspector.next_calls,
    "rule critic": critic.next_calls,
    "guide": guide.next_calls,
}
ANSWERS: dict[str, Callable[[Transcript], BaseModel]] = {
    "Plan": planner.plan,
    "Proposal": planner.propose_or_revise,
    "Profile": profiler.profile,
    "Inspection": inspector.inspect,
    "Critique": critic.critique,
}


class ExpertChatModel(BaseChatModel):
    """The embedded expert, see the module's docstring."""

    @property
    def _llm_type(self) -> str:
        return "ape-embedded-expert"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        *,
        tools: list[dict[str, Any]] | None = None,
        response_format: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        transcript = parse_messages(messages)
        if response_format is not None:
            answer = ANSWERS[response_format["json_schema"]["name"]](transcript)
            reply = AIMessage(answer.model_dump_json())
        else:
            offered = {tool["function"]["name"] for tool in tools or []}
            calls = [(name, args) for name, args in NEXT_CALLS[transcript.agent](transcript) if name in offered]
            text = _text(transcript, calls)
            reply = AIMessage(text, tool_calls=[_tool_call(name, arguments) for name, arguments in calls])
        return ChatResult(generations=[ChatGeneration(message=reply)])


def _text(transcript: Transcript, calls: ToolCalls) -> str:
    """Text of a reply; only the guide's is for people, the other agents answer in records."""
    if calls:
        return ""
    return guide.answer(transcript) if transcript.agent == "guide" else "The evidence is sufficient."


def _tool_call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps([name, arguments], sort_keys=True).encode()).hexdigest()[:12]
    return {"name": name, "args": arguments, "id": f"call_{digest}", "type": "tool_call"}
