"""carnet: live classes through relays that see only ciphertext."""
