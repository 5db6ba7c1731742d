"""Settings of all tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("ape", deadline=None)  # how long a case takes hangs on the machine
settings.load_profile("ape")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out slow tests unless they are asked for: ``pytest -m slow``."""
    if "slow" not in config.option.markexpr:
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
