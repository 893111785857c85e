"""Settings of every test: properties are never judged by the clock of a busy machine."""

from hypothesis import settings

settings.register_profile("carnet", deadline=None)
settings.load_profile("carnet")
