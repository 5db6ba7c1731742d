"""What benign rules do on TimeAnomaly-Bench, whose scenarios each have a rare event that is normal."""
