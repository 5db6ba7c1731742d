"""The HTTP service: detectors of run folders score the rows that programs send."""
