"""The architecture: which package may import which, no import cycles, and no code from data."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import ape

ROOT = Path(ape.__file__).parent
# Packages that each package may import, beside itself.
LAYERS = {
    "core": set(),
    "series": {"core"},
    "rules": {"series", "core"},
    "tools": {"rules", "series", "core"},
    "detectors": {"series", "core"},
    "posttrain": {"detectors", "rules", "series", "core"},
    "monitor": {"posttrain", "detectors", "rules", "series", "core"},
    "agents": {"tools", "rules", "series", "core"},
}
for upper in (
    "graphs",
    "runs",
    "export",
    "watch",
    "api",
    "evals",
    "cli",
):  # each may import all that stand above it here
    LAYERS[upper] = set(LAYERS)
CODE_FROM_DATA = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
HEAVY = {"torch", "numpy", "pandas", "scipy", "sklearn", "matplotlib", "numba", "stumpy", "langgraph", "langchain_core"}


@cache
def modules(package: str) -> dict[str, ast.Module]:
    """Syntax trees of a package's modules by dotted name; a package's own name is that of its ``__init__``."""
    trees = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(("ape", *(parts[:-1] if parts[-1] == "__init__" else parts)))
        trees[name] = ast.parse(path.read_text(encoding="utf-8"))
    return trees


def imported(tree: ast.Module) -> set[str]:
    """Dotted names of all modules that may be imported, at any place in the module; relative ones begin with a dot."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


def packages_of(names: set[str]) -> set[str]:
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "ape" and len(part) > 1 and part[1] in LAYERS}


def import_graph(package: str) -> dict[str, set[str]]:
    """Modules of a package that each of its modules imports at module level, ``TYPE_CHECKING`` blocks included.

    ``from ape.package import name`` imports the module ``ape.package.name`` if it exists; otherwise it imports the
    ``__init__`` of the package, which imports the submodules that it re-exports.
    """
    trees = modules(package)
    graph: dict[str, set[str]] = {name: set() for name in trees}
    for name, tree in trees.items():
        for node in module_level(tree.body):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                graph[name] |= {each if each in trees else str(node.module) for each in full}
    return {name: {each for each in imports if each in trees} for name, imports in graph.items()}


def module_level(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements that run on import or for a type checker: not those inside functions."""
    statements = []
    for node in body:
        statements.append(node)
        if isinstance(node, ast.If | ast.Try):
            for inner in (node.body, node.orelse, getattr(node, "finalbody", [])):
                statements += module_level(inner)
    return statements


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components with more than one module, and modules that import themselves."""

    def reachable(start: str) -> set[str]:
        reached: set[str] = set()
        waiting = [start]
        while waiting:
            new = graph[waiting.pop()] - reached
            reached |= new
            waiting += new
        return reached

    below = {name: reachable(name) for name in graph}
    components = {frozenset({name, *(other for other in below[name] if name in below[other])}) for name in graph}
    return sorted(sorted(each) for each in components if len(each) > 1 or any(name in graph[name] for name in each))


def test_table_lists_every_package():
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"} == set(LAYERS)


@pytest.mark.parametrize("package", LAYERS)
def test_imports_run_downwards(package):
    trees = modules(package)
    upwards = {name: packages_of(imported(tree)) - LAYERS[package] - {package} for name, tree in trees.items()}
    assert trees and not {name: packages for name, packages in upwards.items() if packages}


@pytest.mark.parametrize("package", LAYERS)
def test_modules_of_a_package_have_no_import_cycle(package):
    assert cycles(import_graph(package)) == []


def test_cycles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d", "a"}}
    assert cycles(graph) == [["b", "c"], ["d"]]


def test_agents_and_post_training_meet_in_rules_series_and_core():
    reached = {
        package: set.union(*(packages_of(imported(tree)) for tree in modules(package).values())) for package in LAYERS
    }

    def below(package: str) -> set[str]:
        direct = reached[package] - {package}
        return direct.union(*(below(other) for other in direct))

    assert "posttrain" not in below("agents") and "agents" not in below("posttrain")
    assert below("agents") & below("posttrain") == {"rules", "series", "core"}


@pytest.mark.parametrize("package", LAYERS)
def test_imports_are_absolute(package):
    trees = modules(package)
    assert not [name for name, tree in trees.items() if any(module.startswith(".") for module in imported(tree))]


@pytest.mark.parametrize("package", LAYERS)
def test_no_package_turns_data_into_code(package):
    for name, tree in modules(package).items():
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
    folders = {package: [ROOT / package, *(ROOT / package).rglob("*/")] for package in LAYERS}
    with_modules = {
        ".".join(["ape", *folder.relative_to(ROOT).parts])
        for package in folders
        for folder in folders[package]
        if any(folder.glob("*.py"))
    }
    assert set(listed) == with_modules | {"ape"}


def test_parser_does_not_import_heavy_packages():
    script = "import sys, ape.cli.main, ape.cli.arguments; ape.cli.arguments.build_parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "ape" in loaded and not loaded & HEAVY
