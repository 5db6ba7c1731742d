"""The run that the tests of the watch share."""

from watched_run import rows_of, short_run, values_of, watched_run

__all__ = ["rows_of", "short_run", "values_of", "watched_run"]
