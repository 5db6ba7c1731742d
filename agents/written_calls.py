"""Read tool calls that a model wrote into its text, in the formats that models are trained on.

A server with the right parser turns these into calls itself; many servers run without one. Known formats: Hermes and
Qwen (``<tool_call>{..}</tool_call>``), Qwen3-Coder and MiniMax (tags for each argument), GLM, Llama
(``<|python_tag|>{..}``, bare JSON, ``[name(key=1)]``), Mistral (``[TOOL_CALLS]``), DeepSeek, Kimi, Granite, Phi,
Command R and gpt-oss (``to=functions.name``).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from ape.agents.json_text import find_values, storable

NAMES = ("name", "tool_name", "tool", "function", "function_name", "recipient_name")
ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input")
UNREADABLE = "unreadable arguments"  # name of the one argument of a call whose arguments cannot be read
ARGUMENT_TAG = re.compile(
    r"<parameter(?:=|\s+name=)\"?([\w.-]+)\"?>(.*?)</parameter>"
    r"|<arg_key>\s*(.*?)\s*</arg_key>\s*<arg_value>(.*?)</arg_value>",
    re.DOTALL,
)
CALL_TAG = re.compile(r"<(?:function=|invoke\s+name=|tool_call>\s*)\"?([\w.-]+)\"?\s*>?")
MARKUP = re.compile(r"<[|｜][^<>]{0,60}?[|｜]>|</?tool_call>|\[/?TOOL_CALLS?\]|```(?:python|tool_code)?")
MOST_CALLS = 64  # of a reply; more than an agent may make
LONGEST_GAP = 20  # marks between a name and its arguments

Call = dict[str, Any]  # "name" and "args"


def written_calls(text: str, tools: Mapping[str, Sequence[str]]) -> list[Call]:
    """Return the tool calls that a text contains.

    Parameters
    ----------
    text : str
    tools : mapping of str to sequence of str
        The tools that the model was offered, with the names of their parameters.

    Returns
    -------
    list of dict
        ``name`` and ``args`` of each call. A call of an unknown tool is listed if its arguments are marked as such.
    """
    for read in (_tagged, _as_json, _named_before_json, _as_python):
        if calls := read(text, tools):
            return calls
    return []


def read_arguments(value: Any, parameters: Sequence[str] = ()) -> dict[str, Any]:
    """Return the arguments of a call, as an object, a list, or a text that contains one of them.

    A list gives the arguments in the order of ``parameters``. The arguments that cannot be read, or that are nested too
    deeply, are one argument named `UNREADABLE`.
    """
    try:
        original = value = storable(value)
    except (ValueError, RecursionError):
        return {UNREADABLE: "nested too deeply"}
    for _ in range(3):  # some servers encode twice
        if not isinstance(value, str):
            break
        if not value.strip():
            return {}
        value = _decoded(value)
    if value is None:
        return {} if original is None or str(original).strip() == "null" else {UNREADABLE: original}
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], dict):
            return value[0]
        if len(value) <= len(parameters):
            return dict(zip(parameters, value, strict=False))
    return value if isinstance(value, dict) else {UNREADABLE: original}


def _decoded(text: str) -> Any:
    try:
        return storable(json.loads(text, parse_constant=lambda _: None, strict=False))
    except (ValueError, RecursionError):
        return next(iter(find_values(text)), None)


def _tagged(text: str, tools: Mapping[str, Sequence[str]]) -> list[Call]:
    """Calls with a tag for each argument."""
    openings = list(CALL_TAG.finditer(text))
    ends = [opening.start() for opening in openings[1:]] + [len(text)]
    calls = []
    for opening, end in zip(openings, ends, strict=False):
        tags = list(ARGUMENT_TAG.finditer(text, opening.end(), end))
        if tags or (_bare(opening[1]) in tools and "{" not in text[opening.end() : end]):
            arguments = {tag[1] or tag[3]: _plain(tag[2] if tag[1] else tag[4]) for tag in tags}
            calls.append({"name": _bare(opening[1]), "args": arguments})
    return calls


def _plain(text: str) -> Any:
    """Value of an argument between tags: JSON if it is JSON, otherwise the text."""
    try:
        return storable(json.loads(text.strip()))
    except (ValueError, RecursionError):
        return text.strip()


def _as_json(text: str, tools: Mapping[str, Sequence[str]]) -> list[Call]:
    """Calls as JSON objects, alone or in lists: with a name and arguments, or with the name as the only key."""
    calls: list[Call] = []
    open_values = list(reversed(find_values(text)))
    while open_values:
        value = open_values.pop()
        if isinstance(value, list):
            open_values += reversed(value)
        elif isinstance(value, dict):
            if (call := _call(value, tools)) is not None:
                calls.append(call)
            else:
                open_values += [value[key] for key in ("tool_calls", "function_call", "calls") if key in value]
    return calls


def _call(value: dict[str, Any], tools: Mapping[str, Sequence[str]]) -> Call | None:
    if len(value) == 1 and (only := next(iter(value))) in tools:
        return {"name": only, "args": read_arguments(value[only], tools[only])}
    body = value["function"] if isinstance(value.get("function"), dict) else value
    name = next((body[key] for key in NAMES if isinstance(body.get(key), str)), None)
    given = next((body[key] for key in ARGUMENTS if key in body), None)
    if name is None or not (_bare(name) in tools or isinstance(given, dict)):
        return None
    return {"name": _bare(name), "args": read_arguments(given, tools.get(_bare(name), ()))}


def _named_before_json(text: str, tools: Mapping[str, Sequence[str]]) -> list[Call]:
    """Calls as the name of a tool, marks, and the arguments, as in ``functions.stl:0<|..|>{..}``."""
    if not tools:
        return []
    gap = rf"(?:\s|[:=>(\]\[\d]|<[^<>]*>|\[ARGS\]|\[CALL_ID\]\w*|json|```|Action Input|arguments){{0,{LONGEST_GAP}}}?"
    pattern = re.compile(rf"(?<![\w\"'])({'|'.join(map(re.escape, tools))})\b{gap}(?={{)")
    return [
        {"name": match[1], "args": values[0]}
        for match in islice(pattern.finditer(text), MOST_CALLS)
        if (values := find_values(text[match.end() :])) and isinstance(values[0], dict)
    ]


def _as_python(text: str, tools: Mapping[str, Sequence[str]]) -> list[Call]:
    """Calls as Python: the whole text, or lines of it."""
    code = MARKUP.sub(" ", text).strip()
    return _python_calls(code, tools) or [call for line in code.splitlines() for call in _python_calls(line, tools)]


def _python_calls(code: str, tools: Mapping[str, Sequence[str]]) -> list[Call]:
    """Calls in an expression that is nothing else."""
    try:
        body = ast.parse(code.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    nodes = body.elts if isinstance(body, ast.List | ast.Tuple) else [body]
    calls = [call for node in nodes if (call := _python_call(node, tools)) is not None]
    return calls if len(calls) == len(nodes) else []


def _python_call(node: ast.expr, tools: Mapping[str, Sequence[str]]) -> Call | None:
    """Call in a node, with literals as arguments; ``tool.call(..)`` is Llama's form for its built-in tools."""
    if not isinstance(node, ast.Call):
        return None
    function = node.func.value if isinstance(node.func, ast.Attribute) and node.func.attr == "call" else node.func
    name = _bare(ast.unparse(function))
    if name not in tools:
        return None
    try:
        given = [storable(ast.literal_eval(argument)) for argument in node.args]
        named = {keyword.arg: storable(ast.literal_eval(keyword.value)) for keyword in node.keywords if keyword.arg}
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return {"name": name, "args": {**dict(zip(tools[name], given, strict=False)), **named}}


def _bare(name: str) -> str:
    """Name of a tool without the prefix that some models put before it."""
    return name.strip().removeprefix("functions.").removeprefix("tools.").split(":")[0]
