"""Emulated worlds on one machine, running the same nodes."""
