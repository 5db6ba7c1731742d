"""Settings of all tests."""

from hypothesis import settings

settings.register_profile("ape", deadline=None)  # how long a case takes hangs on the machine
settings.load_profile("ape")
