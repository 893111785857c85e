"""Fuzzing: one target per parser of foreign bytes; the Rust ones are in fuzz_targets."""
