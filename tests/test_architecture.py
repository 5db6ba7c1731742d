"""The house: which room may import which, and what no room may do."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ape

ROOT = Path(ape.__file__).parent
MAY_IMPORT = {
    "series": set(),
    "rules": {"series"},
    "tools": {"rules", "series"},
    "detectors": {"series"},
    "posttrain": {"detectors", "rules", "series"},
    "agents": {"tools", "rules", "series"},
    "graphs": {"agents", "posttrain", "detectors", "tools", "rules", "series"},
    "evals": {"graphs", "agents", "posttrain", "detectors", "tools", "rules", "series"},
    "cli": {"evals", "graphs", "agents", "posttrain", "detectors", "tools", "rules", "series"},
}
CODE_FROM_DATA = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
HEAVY = {"torch", "numpy", "pandas", "scipy", "sklearn", "matplotlib", "numba", "stumpy", "langgraph", "langchain_core"}


def sources(room: str) -> list[tuple[str, ast.Module]]:
    return [
        (str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted((ROOT / room).rglob("*.py"))
    ]


def imported(tree: ast.Module) -> set[str]:
    """Dotted names of all modules that may be imported, wherever the import stands; relative ones begin with a dot."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return found


def rooms_of(names: set[str]) -> set[str]:
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "ape" and len(part) > 1 and part[1] in MAY_IMPORT}


def test_the_rooms_are_those_of_the_table():
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_only_run_downwards(room):
    files = sources(room)
    upwards = {name: rooms_of(imported(tree)) - MAY_IMPORT[room] - {room} for name, tree in files}
    assert files and not {name: rooms for name, rooms in upwards.items() if rooms}


def test_agents_and_post_training_meet_in_the_rule_bank_alone():
    reached = {room: set.union(*(rooms_of(imported(tree)) for _, tree in sources(room))) for room in MAY_IMPORT}

    def below(room: str) -> set[str]:
        direct = reached[room] - {room}
        return direct.union(*(below(other) for other in direct))

    assert "posttrain" not in below("agents") and "agents" not in below("posttrain")
    assert below("agents") & below("posttrain") == {"rules", "series"}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_are_absolute(room):
    assert not [name for name, tree in sources(room) if any(module.startswith(".") for module in imported(tree))]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_no_room_turns_data_into_code(room):
    for name, tree in sources(room):
        assert not {module.split(".")[0] for module in imported(tree)} & CODE_FROM_DATA, name
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "compile", "__import__"}, f"{name}:{node.lineno}"
            if isinstance(node, ast.Attribute):
                assert ast.unparse(node) != "torch.load", f"{name}:{node.lineno}"
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.unparse(node.value) == "False", f"{name}:{node.lineno}"


def test_every_package_is_in_the_wheel():
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("not a checkout")
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {room: [ROOT / room, *(ROOT / room).rglob("*/")] for room in MAY_IMPORT}
    found = {
        ".".join(["ape", *folder.relative_to(ROOT).parts])
        for room in folders
        for folder in folders[room]
        if any(folder.glob("*.py"))
    }
    assert set(listed) == found | {"ape"}


def test_heavy_imports_wait_until_a_command_needs_them():
    script = "import sys, ape.cli.main; ape.cli.main.build_parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "ape" in loaded and not loaded & HEAVY
