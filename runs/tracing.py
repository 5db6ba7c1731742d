"""Record the spans of a run: its graphs, nodes, agents, replies, tool calls and decisions.

Spans are OpenTelemetry's, with OpenInference's names. They are written to ``spans.jsonl``, one JSON line each, and also
sent to the collector that ``OTEL_EXPORTER_OTLP_ENDPOINT`` names. ``OPENINFERENCE_HIDE_INPUTS`` and
``OPENINFERENCE_HIDE_OUTPUTS`` keep messages, arguments and results out of both.
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
from langgraph.errors import GraphInterrupt
from openinference.semconv.trace import OpenInferenceSpanKindValues as Kind
from openinference.semconv.trace import SpanAttributes as Named
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult

import ape
from ape.agents.replies import CACHED_REPLY
from ape.core.redaction import redacted
from ape.core.run_files import SPANS
from ape.graphs.state import AGENT, DECISION
from ape.tools.artefacts import evidence_id, evidence_record

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
HIDE = {"input": "OPENINFERENCE_HIDE_INPUTS", "output": "OPENINFERENCE_HIDE_OUTPUTS"}
REDACTED = "__REDACTED__"  # the word that OpenInference uses
MAX_CHARACTERS = 20_000  # of a value
STEP, EVIDENCE = "ape.step", "ape.evidence"

log = logging.getLogger(__name__)


@contextlib.contextmanager
def record_spans(folder: Path, name: str) -> Iterator[list[BaseCallbackHandler]]:
    """Yield callbacks that record spans; all spans are in ``folder`` when the block ends.

    Parameters
    ----------
    folder : Path
        Run folder.
    name : str
        Session of the spans.
    """
    provider = TracerProvider(
        resource=Resource.create({"service.name": "ape", "service.version": ape.__version__}), shutdown_on_exit=False
    )
    lines = _LineExporter(folder / SPANS)
    provider.add_span_processor(SimpleSpanProcessor(lines))
    if os.environ.get(ENDPOINT) and (exporter := _collector_exporter()) is not None:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    spans = _SpanCallbacks(provider.get_tracer("ape", ape.__version__), name)
    try:
        yield [spans]
    finally:
        spans.close()
        provider.shutdown()
    if lines.failed:  # else what ended the run says why
        log.warning("the run has no whole trace: %s (%s)", lines.failed, folder / SPANS)


class _SpanCallbacks(BaseCallbackHandler):
    """Callbacks that make a span for each graph, node, agent, reply and tool call; decisions are events of a node.

    LangChain calls each operation a run, with an id. Some runs, such as the graph inside a node, get no span: their
    children become children of the nearest run with a span.
    """

    run_inline = True  # keeps the order of events

    def __init__(self, tracer: trace.Tracer, session: str) -> None:
        self._tracer = tracer
        self._session = session
        self._open: dict[UUID, trace.Span] = {}
        self._parents: dict[UUID, UUID | None] = {}  # of runs without a span
        self._nodes: set[str] = set()  # checkpoint namespaces of the nodes; each execution of a node has its own
        self._messages: dict[UUID | None, int] = {}  # number of messages that earlier spans of an agent contain
        self._calls: dict[UUID, tuple[str, dict[str, Any]]] = {}  # name and arguments of running tools

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **rest: Any
    ) -> None:
        """Start the span of a graph, a node or an agent."""
        name, metadata = str(rest.get("name")), rest.get("metadata") or {}
        agent, namespace = metadata.get(AGENT), str(metadata.get("langgraph_checkpoint_ns"))
        if parent_run_id is None:
            self._start(run_id, None, name, Kind.CHAIN, {})
        elif name == agent:
            self._start(run_id, parent_run_id, name, Kind.AGENT, {AGENT: agent, **_value("input", inputs)})
        elif name == metadata.get("langgraph_node") and namespace not in self._nodes:
            self._nodes.add(namespace)
            self._start(run_id, parent_run_id, name, Kind.CHAIN, {STEP: int(metadata.get("langgraph_step", 0))})
        else:
            self._parents[run_id] = parent_run_id

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **rest: Any) -> None:
        """End the span of a graph, a node or an agent."""
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
        """Start the span of a reply, with the messages that earlier spans of the agent do not contain."""
        parent = self._with_span(parent_run_id)
        earlier = self._messages.get(parent, 0)
        self._messages[parent] = len(messages[0])
        new = [_plain(message) for message in messages[0][earlier:]]
        agent = (rest.get("metadata") or {}).get(AGENT)
        model = (rest.get("invocation_params") or {}).get("model") or "embedded"
        attributes = {AGENT: str(agent), "ape.earlier_messages": earlier, Named.LLM_MODEL_NAME: redacted(str(model))}
        self._start(run_id, parent_run_id, "reply", Kind.LLM, attributes | _value("input", new))

    def on_llm_end(self, response: Any, *, run_id: UUID, **rest: Any) -> None:
        """End the span of a reply, with its message and token counts."""
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
        """Start the span of a tool call."""
        name, arguments = serialized["name"], rest.get("inputs") or {}
        attributes = {AGENT: str((rest.get("metadata") or {}).get(AGENT)), Named.TOOL_NAME: name}
        self._start(run_id, parent_run_id, name, Kind.TOOL, attributes | _value("input", arguments))
        self._calls[run_id] = name, arguments

    def on_tool_end(self, output: Any, *, run_id: UUID, **rest: Any) -> None:
        """End the span of a tool call, with its result and evidence id."""
        result = json.loads(output)
        name, arguments = self._calls.pop(run_id)
        evidence = evidence_id(name, evidence_record(name, arguments, result))
        self._end(run_id, {**_value("output", result), EVIDENCE: evidence})

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **rest: Any) -> None:
        """Add a decision to the span of its node; make a span for a cached reply."""
        parent = self._with_span(run_id)
        if name == DECISION and parent is not None:
            attributes = {f"ape.{key}": _attribute(value) for key, value in data.items() if value not in (None, [], {})}
            self._open[parent].add_event(DECISION, attributes)
        elif name == CACHED_REPLY:
            reply = uuid4()
            self._start(reply, parent, name, Kind.LLM, _value("output", data))
            self._end(reply, {})

    def close(self) -> None:
        """End the spans that an exception left open."""
        for run_id in reversed(list(self._open)):
            self._end(run_id, {}, "cut short")

    def _on_error(self, error: BaseException, *, run_id: UUID, **rest: Any) -> None:
        waits = isinstance(error, GraphInterrupt)  # for a person, which is no failure
        self._end(run_id, {}, "" if waits else redacted(" ".join(f"{type(error).__name__}: {error}".split()))[:400])

    on_chain_error = on_llm_error = on_tool_error = _on_error

    def _with_span(self, run_id: UUID | None) -> UUID | None:
        """Return the run itself, or its nearest ancestor, that has an open span."""
        while run_id is not None and run_id not in self._open:
            run_id = self._parents.get(run_id)
        return run_id

    def _start(self, run_id: UUID, parent: UUID | None, name: str, kind: Kind, attributes: Mapping[str, Any]) -> None:
        ancestor = self._with_span(parent)
        context = None if ancestor is None else trace.set_span_in_context(self._open[ancestor])
        common = {Named.OPENINFERENCE_SPAN_KIND: kind.value, Named.SESSION_ID: self._session}
        self._open[run_id] = self._tracer.start_span(name, context, attributes={**common, **attributes})

    def _end(self, run_id: UUID, attributes: Mapping[str, Any], error: str = "") -> None:
        self._parents.pop(run_id, None)
        if (span := self._open.pop(run_id, None)) is not None:
            span.set_attributes(dict(attributes))
            if error:
                span.set_status(trace.StatusCode.ERROR, error)
            span.end()


class _LineExporter(SpanExporter):
    """Exporter that appends spans to a file; if that fails, the run continues, and ``failed`` is why."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.failed = ""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append one line per span."""
        lines = "".join(f"{span.to_json(indent=None)}\n" for span in spans)
        with self._lock:
            if self.failed:
                return SpanExportResult.FAILURE
            try:
                with self._path.open("a", encoding="utf-8") as out:
                    out.write(lines)
            except OSError as error:
                self.failed = error.strerror or str(error)
                return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


def _collector_exporter() -> SpanExporter | None:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        log.warning("spans cannot be sent (%s): pip install 'ape-tsad[otlp]'", ENDPOINT)
        return None
    return OTLPSpanExporter()


def _value(which: str, value: Any) -> dict[str, str]:
    """Return the attributes of a span's ``input`` or ``output``: JSON, or a placeholder if values are hidden."""
    if os.environ.get(HIDE[which], "").lower() == "true":
        return {f"{which}.value": REDACTED}
    text = json.dumps(redacted(value), default=str)
    return {f"{which}.value": text[:MAX_CHARACTERS], f"{which}.mime_type": "application/json"}


def _plain(message: BaseMessage) -> dict[str, Any]:
    """Return a message without its pictures; the text before each picture contains its id."""
    blocks = message.content if isinstance(message.content, list) else [message.content]
    texts = [block if isinstance(block, str) else block.get("text", f"({block.get('type')})") for block in blocks]
    calls = [{"name": call["name"], "args": call["args"]} for call in getattr(message, "tool_calls", [])]
    return {"role": message.type, "content": "\n".join(texts), **({"tool_calls": calls} if calls else {})}


def _attribute(value: Any) -> Any:
    return redacted(value) if isinstance(value, str | int | float) else json.dumps(redacted(value))
