"""Spans of a run: its nodes, agents, messages, tool calls and decisions.

OpenTelemetry's spans with OpenInference's names, a JSON line each in ``spans.jsonl``; to a collector as well where
``OTEL_EXPORTER_OTLP_ENDPOINT`` names one. ``OPENINFERENCE_HIDE_INPUTS`` and ``OPENINFERENCE_HIDE_OUTPUTS`` keep what
was sent and said out of both.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from openinference.semconv.trace import OpenInferenceSpanKindValues as Kind
from openinference.semconv.trace import SpanAttributes as Named
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

import ape
from ape.agents.replies import CACHED_REPLY
from ape.graphs.state import AGENT, DECISION
from ape.tools.artefacts import evidence_id, evidence_record

SPANS = "spans.jsonl"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
HIDE = {"input": "OPENINFERENCE_HIDE_INPUTS", "output": "OPENINFERENCE_HIDE_OUTPUTS"}
REDACTED = "__REDACTED__"  # OpenInference's word
LONGEST = 20_000  # characters of a value
STEP, EVIDENCE = "ape.step", "ape.evidence"

log = logging.getLogger(__name__)


@contextlib.contextmanager
def recorded(folder: Path, name: str) -> Iterator[list[BaseCallbackHandler]]:
    """Callbacks that record what runs with them; spans are in the folder when the block ends."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": "ape", "service.version": ape.__version__}), shutdown_on_exit=False
    )
    provider.add_span_processor(SimpleSpanProcessor(_Lines(folder / SPANS)))
    if os.environ.get(ENDPOINT) and (exporter := _collector()) is not None:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    spans = Spans(provider.get_tracer("ape", ape.__version__), name)
    try:
        yield [spans]
    finally:
        spans.close()
        provider.shutdown()


class Spans(BaseCallbackHandler):
    """A span for each node, agent, reply and tool call; decisions are events of their node."""

    run_inline = True  # in the order in which things happen

    def __init__(self, tracer: trace.Tracer, session: str) -> None:
        self._tracer = tracer
        self._session = session
        self._open: dict[UUID, trace.Span] = {}
        self._within: dict[UUID, UUID | None] = {}  # runs that have no span of their own, by the run around them
        self._told: dict[UUID | None, int] = {}  # messages of a conversation that earlier spans hold
        self._calls: dict[UUID, tuple[str, dict[str, Any]]] = {}  # tools that are running, with their arguments

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **rest: Any
    ) -> None:
        """Begin a span for the graph, a node or an agent."""
        name, about = str(rest.get("name")), rest.get("metadata") or {}
        agent = about.get(AGENT)
        if parent_run_id is None:
            self._begin(run_id, None, name, Kind.CHAIN, {})
        elif name == agent:
            self._begin(run_id, parent_run_id, name, Kind.AGENT, {AGENT: agent, **_value("input", inputs)})
        elif name == about.get("langgraph_node") and parent_run_id in self._open and agent is None:
            self._begin(run_id, parent_run_id, name, Kind.CHAIN, {STEP: int(about.get("langgraph_step", 0))})
        else:
            self._within[run_id] = parent_run_id

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **rest: Any) -> None:
        """End it."""
        answer = getattr(outputs, "answer", None)
        self._end(run_id, {} if answer is None else _value("output", answer.model_dump()))

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **rest: Any,
    ) -> None:
        """Begin the span of a reply, with the messages that are new in this conversation."""
        around = self._around(parent_run_id)
        earlier = self._told.get(around, 0)
        self._told[around] = len(messages[0])
        new = [_plain(message) for message in messages[0][earlier:]]
        about = rest.get("metadata") or {}
        attributes = {AGENT: str(about.get(AGENT)), "ape.earlier_messages": earlier, **_value("input", new)}
        model = (rest.get("invocation_params") or {}).get("model") or "embedded"
        self._begin(run_id, parent_run_id, "reply", Kind.LLM, attributes | {Named.LLM_MODEL_NAME: str(model)})

    def on_llm_end(self, response: Any, *, run_id: UUID, **rest: Any) -> None:
        """End it, with what was said and the tokens that it took."""
        message = response.generations[0][0].message
        usage = message.usage_metadata or {}
        tokens = {
            Named.LLM_TOKEN_COUNT_PROMPT: usage.get("input_tokens"),
            Named.LLM_TOKEN_COUNT_COMPLETION: usage.get("output_tokens"),
            Named.LLM_TOKEN_COUNT_TOTAL: usage.get("total_tokens"),
        }
        known = {name: count for name, count in tokens.items() if count is not None}
        self._end(run_id, {**_value("output", _plain(message)), **known})

    def on_tool_start(
        self, serialized: Any, input_str: str, *, run_id: UUID, parent_run_id: UUID | None = None, **rest: Any
    ) -> None:
        """Begin the span of a tool call."""
        name, arguments = serialized["name"], rest.get("inputs") or {}
        about = {AGENT: str((rest.get("metadata") or {}).get(AGENT)), Named.TOOL_NAME: name}
        self._begin(run_id, parent_run_id, name, Kind.TOOL, about | _value("input", arguments))
        self._calls[run_id] = name, arguments

    def on_tool_end(self, output: Any, *, run_id: UUID, **rest: Any) -> None:
        """End it, with its result and the id under which it is kept."""
        result = json.loads(output)
        name, arguments = self._calls.pop(run_id)
        kept = evidence_id(name, evidence_record(name, arguments, result))
        self._end(run_id, {**_value("output", result), EVIDENCE: kept})

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **rest: Any) -> None:
        """Write a decision into the span of its node; make a span of a reply that was known."""
        around = self._around(run_id)
        if name == DECISION and around in self._open:
            told = {f"ape.{key}": _attribute(value) for key, value in data.items() if value not in (None, [], {})}
            self._open[around].add_event(DECISION, told)
        elif name == CACHED_REPLY:
            self._begin(known := uuid4(), around, name, Kind.LLM, _value("output", data))
            self._end(known, {})

    def close(self) -> None:
        """End what an exception left open."""
        for run_id in reversed(list(self._open)):
            self._end(run_id, {}, "cut short")

    def _error(self, error: BaseException, *, run_id: UUID, **rest: Any) -> None:
        self._end(run_id, {}, " ".join(f"{type(error).__name__}: {error}".split())[:400])

    on_chain_error = on_llm_error = on_tool_error = _error

    def _around(self, run_id: UUID | None) -> UUID | None:
        """The run itself, or the nearest around it, that has a span."""
        while run_id is not None and run_id not in self._open:
            run_id = self._within.get(run_id)
        return run_id

    def _begin(self, run_id: UUID, parent: UUID | None, name: str, kind: Kind, attributes: Mapping[str, Any]) -> None:
        around = self._around(parent)
        context = None if around is None else trace.set_span_in_context(self._open[around])
        about = {Named.OPENINFERENCE_SPAN_KIND: kind.value, Named.SESSION_ID: self._session}
        self._open[run_id] = self._tracer.start_span(name, context, attributes={**about, **attributes})

    def _end(self, run_id: UUID, attributes: Mapping[str, Any], failed: str = "") -> None:
        self._within.pop(run_id, None)
        if (span := self._open.pop(run_id, None)) is not None:
            span.set_attributes(dict(attributes))
            if failed:
                span.set_status(trace.StatusCode.ERROR, failed)
            span.end()


class _Lines(SpanExporter):
    """Appends spans to a file; where that fails it says so once and lets the run go on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._failed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write a line a span."""
        lines = "".join(f"{span.to_json(indent=None)}\n" for span in spans)
        with self._lock:
            if self._failed:
                return SpanExportResult.FAILURE
            try:
                with self._path.open("a", encoding="utf-8") as out:
                    out.write(lines)
            except OSError as error:
                self._failed = True
                log.warning("the run goes on without a trace: %s (%s)", error.strerror, self._path)
                return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


def _collector() -> SpanExporter | None:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        log.warning("%s is set, but spans cannot be sent: pip install 'ape-tsad[otlp]'", ENDPOINT)
        return None
    return OTLPSpanExporter()


def _value(which: str, value: Any) -> dict[str, str]:
    """What was sent (``input``) or said (``output``), as JSON, or a word for it where it is to be kept out."""
    if os.environ.get(HIDE[which], "").lower() == "true":
        return {f"{which}.value": REDACTED}
    text = json.dumps(value, default=str)
    return {f"{which}.value": text[:LONGEST], f"{which}.mime_type": "application/json"}


def _plain(message: BaseMessage) -> dict[str, Any]:
    """A message without the bytes of its pictures; their ids stand in the text before each."""
    blocks = message.content if isinstance(message.content, list) else [message.content]
    said = [block if isinstance(block, str) else block.get("text", f"({block.get('type')})") for block in blocks]
    calls = [{"name": call["name"], "args": call["args"]} for call in getattr(message, "tool_calls", [])]
    return {"role": message.type, "content": "\n".join(said), **({"tool_calls": calls} if calls else {})}


def _attribute(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else json.dumps(value)
