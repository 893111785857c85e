"""Measurements: each prints machine, size, baseline and ratio."""
