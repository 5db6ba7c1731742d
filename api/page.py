"""The page about the paths: made from the OpenAPI document, and without anything from other hosts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment


def page(document: dict[str, Any]) -> str:
    """Return the page as HTML."""
    template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    paths = [
        {"method": method.upper(), "path": path, "bodies": _bodies(operation), **operation}
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return (
        Environment(autoescape=True)
        .from_string(template)
        .render(document=document, paths=paths, schemas=_schemas(document))
    )


def _bodies(operation: dict[str, Any]) -> list[dict[str, str]]:
    """Return the types of the body with an example of each."""
    content = operation.get("requestBody", {}).get("content", {})
    return [{"type": kind, "example": _example(body)} for kind, body in content.items()]


def _example(body: dict[str, Any]) -> str:
    if "example" in body:
        return str(body["example"])
    fields = body.get("schema", {}).get("properties", {})
    return json.dumps({name: schema["examples"][0] for name, schema in fields.items() if "examples" in schema})


def _schemas(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the answers with their fields."""
    schemas = document.get("components", {}).get("schemas", {})
    return [
        {"name": name, "description": schema.get("description", ""), "fields": _fields(schema)}
        for name, schema in schemas.items()
        if not name.startswith(("HTTPValidation", "Validation"))
    ]


def _fields(schema: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {"name": name, "type": _type(field), "description": field.get("description", "")}
        for name, field in schema.get("properties", {}).items()
    ]


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(map(_type, field["anyOf"]))
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    return str(field.get("type", "any"))
