"""A real WebRTC call between a student and a classroom server, measured at both ends."""
