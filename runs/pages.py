"""Render self-contained HTML pages from the templates in ``templates/``."""

from __future__ import annotations

import base64
from typing import Any

import jinja2


def render(template: str, **values: Any) -> str:
    """Return the page of a template. Values are escaped; a name without a value is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ape.runs", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(**values)


def data_uri(picture: bytes, kind: str = "png") -> str:
    """Return a picture as the address that embeds it in a page."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"
