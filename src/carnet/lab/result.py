"""What came of a class over one tunnel.  Plain values, written to JSON as they are."""

from typing import Final

import msgspec

from carnet.lab.score import Score

DIRECT: Final = "direct"
"""The name of the way that uses no relay, in `Result.paths`."""


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """What one direction of a class put on the student's links, at the IP layer."""

    packets: int
    octets: int

    def per_useful(self, useful_octets: int) -> float | None:
        """Return octets spent per octet that was useful; None if nothing was."""
        return self.octets / useful_octets if useful_octets else None


class Direction(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of a class: how it was, what it cost."""

    score: Score
    wire: Wire
    paths: list[dict[str, int]]
    """For each slot of the timeline the octets by way: a relay's name, or `DIRECT`."""

    @property
    def per_useful(self) -> float | None:
        """Octets on the wire per useful octet of payload."""
        return self.wire.per_useful(self.score.useful_bytes)


class Download(msgspec.Struct, frozen=True, kw_only=True):
    """A course download after the class."""

    size: int
    octets: int
    """Of `size`, what arrived in time."""
    seconds: float
    control: str
    """TCP's congestion control at the student's end; the classroom's is asked for the same."""

    @property
    def bits_per_s(self) -> float:
        """Mean rate while it ran."""
        return self.octets * 8 / self.seconds if self.seconds > 0 else 0.0


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the world, in words."""

    at_s: float
    what: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One class over one tunnel; `failure` says why there is none."""

    tunnel: str
    title: str
    failure: str = ""
    down: Direction | None = None
    up: Direction | None = None
    download: Download | None = None
    happened: list[Happening] = []
    stalled: float = 0.0
    """Share of the class in which this machine let processes wait; much of it means the figures are its."""


class Evening(msgspec.Struct, frozen=True, kw_only=True):
    """The same class over several tunnels in one world."""

    world: str
    title: str
    source: str
    seed: int
    seconds: float
    machine: str
    results: list[Result]
