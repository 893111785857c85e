"""Passes, directory, path judging, plans, and the door to the Rust core."""
