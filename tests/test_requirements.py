"""The packages with hashes are those of the package and its demo, in the versions that the tests run with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"[\w.-]+")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def hashed() -> dict[str, tuple[str, int]]:
    """Return version and number of hashes of each package, by name."""
    text = re.sub(r"^#.*\n", "", (ROOT / "requirements-hashes.txt").read_text(), flags=re.MULTILINE)
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if entry.strip()]
    parts = [(re.match(r"([\w.-]+)==([\w.+!]+)", entry), len(HASH.findall(entry))) for entry in entries]
    return {plain(found[1]): (found[2], count) for found, count in parts if found}


def test_every_package_of_the_demo_has_hashes_and_the_version_of_the_tests():
    found, lines = hashed(), (ROOT / "constraints.txt").read_text().splitlines()
    versions = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    versions = {plain(name): version for name, version in versions.items()}
    assert all(count for _, count in found.values())
    assert {name: version for name, (version, _) in found.items() if versions.get(name, version) != version} == {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["examples"], "setuptools"]
    names = {plain(match[0]) for each in wanted if (match := NAME.match(each))}
    assert names <= set(found)


def test_the_file_names_no_index():
    assert "://" not in (ROOT / "requirements-hashes.txt").read_text()
