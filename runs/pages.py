"""Self-contained HTML pages from the templates beside this module."""

from __future__ import annotations

import base64
from typing import Any

import jinja2


def render(template: str, **values: Any) -> str:
    """Page of a template; text is escaped, and a name that is not given is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ape.runs", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(**values)


def data_uri(png: bytes) -> str:
    """A picture as the address that a page holds it by."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
