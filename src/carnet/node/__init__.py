"""Running processes: sockets, disk, clock, randomness, wiring; one driver per role."""
