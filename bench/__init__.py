"""The figures of the README: each benchmark prints machine, size and baseline."""
