"""MkDocs hooks: let the API reference find the packages, and let pages from the top of the repository find the others.

The packages are folders at the top of the repository and are imported as ``ape.<folder>``. mkdocstrings reads sources
by path, so a hook links them into a folder that looks like the installed package.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LINKS = ROOT / "build" / "packages" / "ape"


def on_startup(**_: Any) -> None:
    """Link every package before mkdocstrings looks for them."""
    LINKS.mkdir(parents=True, exist_ok=True)
    for old in LINKS.iterdir():
        old.unlink()
    (LINKS / "__init__.py").symlink_to(ROOT / "__init__.py")
    for package in ROOT.glob("*/__init__.py"):
        (LINKS / package.parent.name).symlink_to(package.parent)


def on_page_content(html: str, **_: Any) -> str:
    """Let links of the changelog and of CONTRIBUTING lead to pages: there, their paths begin with ``docs/``."""
    return re.sub(r'href="docs/([^"#]+)\.md', r'href="\1.html', html)
