"""The whole system, by its own commands, in small emulated worlds."""
