"""A finished run, which other tests share."""

from watched_run import watched_run  # noqa: F401 (a fixture)
