"""Settings and fixtures of all tests."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import settings

# The files that take longest, in this order: they come first, so that no worker has one of them left at the end.
LONGEST = (
    "runs/test_batch.py",
    "test_docs.py",
    "runs/test_execution.py",
    "graphs/test_units.py",
    "cli/test_resume.py",
    "runs/test_ray.py",
    "watch/test_kills.py",
    "watch/test_continuing.py",
    "detectors/test_third_party.py",
    "cli/test_prompt.py",
    "cli/test_page.py",
    "cli/test_gaps.py",
)

settings.register_profile("ape", deadline=None)  # run times depend on the machine
settings.load_profile("ape")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest files first; leave out the tests marked ``faults`` unless ``-m faults`` asks for them."""
    if "faults" not in config.option.markexpr:
        left_out = [item for item in items if item.get_closest_marker("faults")]
        items[:] = [item for item in items if not item.get_closest_marker("faults")]
        config.hook.pytest_deselected(items=left_out)
    places = {config.rootpath / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def one_thread():
    """Small layers are slower on several threads of PyTorch than on one."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def browser():
    """A Chromium."""
    path = os.environ.get("APE_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        pytest.skip("no Chromium: install it, or set APE_CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()
