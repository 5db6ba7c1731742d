"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("ape", deadline=None)  # run times depend on the machine
settings.load_profile("ape")
