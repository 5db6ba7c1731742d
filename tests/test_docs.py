"""The documentation: its Python snippets run, its links lead somewhere, its pictures are up to date."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import short_training

import ape
from ape.cli.arguments import build_parser

ROOT = Path(ape.__file__).parent
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")
NOT_RUN = "# not run"
EXTENDED = (
    "README.md",
    "docs/guides/python.md",
    "docs/guides/your-detector.md",
    "docs/guides/many-series.md",
    "docs/reference/detectors.md",
    "docs/reference/monitor.md",
    "docs/reference/posttrain.md",
    "docs/reference/runs.md",
)  # their snippets train a detector

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="not a checkout")


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


def snippets(page: Path) -> list[str]:
    found = SNIPPET.findall(page.read_text(encoding="utf-8"))
    return [snippet for snippet in found if not snippet.startswith(NOT_RUN)]


def pages_with_snippets() -> list[object]:
    return [
        pytest.param(page, id=names(page), marks=[pytest.mark.extended] if names(page) in EXTENDED else [])
        for page in PAGES
        if snippets(page)
    ]


@pytest.mark.parametrize("page", pages_with_snippets())
def test_python_snippets_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()), short_training():
        for snippet in snippets(page):
            exec(compile(snippet, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_links_lead_to_files(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in LINK.findall(text)]
    local = [target for target in targets if target and "://" not in target]
    assert not [target for target in local if not (page.parent / target).exists()]


def test_every_ape_command_in_the_documentation_exists():
    commands = set(build_parser()._subparsers._group_actions[0].choices)
    shown = {
        (names(page), command)
        for page in PAGES
        if "results" not in page.parts
        for block in re.findall(r"^```\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        for command in re.findall(r"^(?:\S*/)?ape ([a-z][a-z-]*)", block, re.MULTILINE)
    }
    assert shown and not {(page, command) for page, command in shown if command not in commands}


def test_pictures_of_the_code_are_up_to_date():
    spec = importlib.util.spec_from_file_location("draw", ROOT / "docs" / "draw.py")
    draw = sys.modules["draw"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    stale = [name for name, text in draw.pictures().items() if (draw.PICTURES / name).read_text("utf-8") != text]
    assert not stale, "run: python docs/draw.py"


@pytest.mark.extended
def test_site_builds_without_warnings_and_loads_nothing_from_other_hosts(tmp_path):
    pytest.importorskip("mkdocs")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    loads = re.compile(
        r"""<(?:script|img|iframe|source)[^>]*\bsrc=["']?(?:https?:)?//|<link[^>]*\bhref=["']?(?:https?:)?//"""
    )
    styles = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""")
    pages, sheets = list(tmp_path.rglob("*.html")), list(tmp_path.rglob("*.css"))
    assert pages and sheets
    assert not [page for page in pages if loads.search(page.read_text("utf-8"))]
    assert not [sheet for sheet in sheets if styles.search(sheet.read_text("utf-8"))]
