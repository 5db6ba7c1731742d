"""Read an agent's answer, a record, from the text of a reply."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ape.agents.conform import conformed, shared_fields
from ape.agents.json_text import find_values

MOST_WRAPPERS = 4  # around the record
MOST_PROBLEMS = 3  # in a message to the model
QUOTED = 80  # characters of an answer in a message

Answer = TypeVar("Answer", bound=BaseModel)


class Mismatch(ValueError):
    """A text that contains no valid record; the message says why, for the model and for people."""


def read_answer(text: str, schema: type[Answer]) -> Answer:
    """Return the record in a text.

    The record may stand after or before prose, in a fence, or inside another object, as in ``{"Plan": {..}}``. Of
    several objects the last one that fits counts.

    Parameters
    ----------
    text : str
    schema : type of BaseModel

    Returns
    -------
    BaseModel

    Raises
    ------
    Mismatch
        No object in the text matches the schema.
    """
    answer, problem = None, ""
    for value in _candidates(text, schema):
        try:
            answer = schema.model_validate(conformed(value, schema))
            break
        except ValidationError as error:
            problem = problem or _problems(error)
    if answer is None:
        raise Mismatch(problem or _without_record(text))
    return answer


def read_valid_items(text: str, schema: type[Answer]) -> tuple[Answer, list[str]]:
    """Return the record in a text without the invalid items of its lists, and what is wrong with these.

    Each list must keep an item.

    Raises
    ------
    Mismatch
        Something else is wrong with the record.
    """
    for given in _candidates(text, schema):
        value = conformed(given, schema, strict=False)
        left_out = [f"{field}: unknown field" for field in given if field not in schema.model_fields]
        try:
            return schema.model_validate(value), left_out
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False)
        places = [problem["loc"] for problem in problems if len(problem["loc"]) > 1]
        faulty = {(str(place[0]), place[1]) for place in places if isinstance(place[1], int)}
        kept = {
            field: [item for place, item in enumerate(items) if (field, place) not in faulty]
            if isinstance(items, list)
            else items
            for field, items in value.items()
        }
        if all(kept[field] for field, _ in faulty):
            try:
                return schema.model_validate(kept), [_problem(problem) for problem in problems]
            except ValidationError:
                continue
    raise Mismatch(_without_record(text))


def _candidates(text: str, schema: type[BaseModel]) -> list[dict[str, Any]]:
    """Objects in the text that can be the record, the likeliest first: those with most fields of it.

    An object around the record may share a field with it, as in ``{"rationale": .., "plan": {..}}``.
    """
    values = [_unwrapped(value, schema) for value in reversed(find_values(text))]
    outer = [value for value in values if isinstance(value, dict)]
    inner = [item for value in outer for key, item in value.items() if _inside(key, item, schema)]
    return sorted([*outer, *inner], key=lambda value: -len(shared_fields(value, schema)))


def _inside(key: str, item: Any, schema: type[BaseModel]) -> bool:
    return isinstance(item, dict) and key not in schema.model_fields and bool(shared_fields(item, schema))


def _unwrapped(value: Any, schema: type[BaseModel]) -> Any:
    """The record inside lists of one item, objects around it, and texts that contain JSON."""
    inner: list[Any]
    for _ in range(MOST_WRAPPERS):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif isinstance(value, str):
            value = next(iter(find_values(value)), None)
        elif isinstance(value, dict) and not shared_fields(value, schema):
            inner = [item for item in value.values() if isinstance(item, dict) and shared_fields(item, schema)]
            inner = inner or [
                item
                for item in value.values()
                if isinstance(item, dict | list) or (isinstance(item, str) and "{" in item)
            ]
            if len(inner) != 1:
                break
            value = inner[0]
        else:
            break
    return value


def _without_record(text: str) -> str:
    quoted = " ".join(text.split())[:QUOTED]
    return f"there is no complete JSON object in {quoted!r}" if quoted else "the answer is empty"


def _problems(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    more = f"; and {len(problems) - MOST_PROBLEMS} more" if len(problems) > MOST_PROBLEMS else ""
    return "; ".join(_problem(problem) for problem in problems[:MOST_PROBLEMS]) + more


def _problem(problem: Any) -> str:
    return f"{'.'.join(map(str, problem['loc'])) or 'the answer'}: {problem['msg']}"[:200]
