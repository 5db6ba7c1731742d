"""Judging from outside: metrics, and what they say of detectors before and after. Labels live in this room alone."""
