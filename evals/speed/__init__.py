"""Timings beside reference implementations."""
