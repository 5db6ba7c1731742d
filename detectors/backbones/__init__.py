"""The networks inside the detectors, one module per backbone."""
