"""Fidelity of mined banks: how close their rules and pseudo-anomalies are to the true faults of simulated series."""
