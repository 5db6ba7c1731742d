"""The embedded brain: a LangChain chat model whose replies follow from the messages by rules, without a server.

It is a statistician in code. It holds no handle on the series: messages in, message out. The same prompts, tools and
schemas go to it as to a language model, and it answers with the same tool calls and structured outputs.
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

from ape.agents.expert import critic, guide, inspector, planner, profiler
from ape.agents.expert.reading import Transcript, read

Calls = list[tuple[str, dict[str, Any]]]

NEXT_CALLS: dict[str, Callable[[Transcript], Calls]] = {
    "planner": planner.next_calls,
    "profiler": profiler.next_calls,
    "visual inspector": inspector.next_calls,
    "rule critic": critic.next_calls,
    "guide": guide.next_calls,
}
WORDS: dict[str, Callable[[Transcript], str]] = {"guide": guide.tell}  # the others answer in records
ANSWERS: dict[str, Callable[[Transcript], BaseModel]] = {
    "Plan": planner.plan,
    "Proposal": planner.propose_or_revise,
    "Profile": profiler.profile,
    "Inspection": inspector.inspect,
    "Spotting": inspector.spot,
    "Critique": critic.critique,
}


class ExpertChatModel(BaseChatModel):
    """Embedded expert; see the module's docstring."""

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
        transcript = read(messages)
        if response_format is not None:
            answer = ANSWERS[response_format["json_schema"]["name"]](transcript)
            reply = AIMessage(answer.model_dump_json())
        else:
            offered = {tool["function"]["name"] for tool in tools or []}
            calls = [(name, args) for name, args in NEXT_CALLS[transcript.role](transcript) if name in offered]
            said = WORDS.get(transcript.role, lambda _seen: "I have seen enough.")
            text = "" if calls and transcript.role in WORDS else said(transcript)
            reply = AIMessage(text, tool_calls=[_tool_call(name, args) for name, args in calls])
        return ChatResult(generations=[ChatGeneration(message=reply)])


def _tool_call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps([name, arguments], sort_keys=True).encode()).hexdigest()[:12]
    return {"name": name, "args": arguments, "id": f"call_{digest}", "type": "tool_call"}
