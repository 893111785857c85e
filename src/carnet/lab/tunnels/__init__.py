"""The ways a class can travel: each knows how to set itself up on a stage."""
