"""Estimates per path and direction, from the carrier's counters.  No sockets, no clock.

The carrier (Rust) measures; this module estimates; `policy` decides; the carrier obeys.
The same readings always give the same estimates, so a field trace replays as a test.
"""

import math
from dataclasses import dataclass

from carnet.facts import PathReading
from carnet.tunnel.config import PathConfig
from carnet.tunnel.quality import burst_ratio

UNKNOWN_LOSS = 0.01
UNKNOWN_WEIGHT = 20.0
"""A path nobody measured counts as 1 % lossy with the weight of 20 packets: neither feared nor preferred."""


@dataclass(frozen=True, slots=True)
class PathEstimate:
    """What is believed of one path now.  Loss is a share 0..1; `loss_out` is the direction from us."""

    path: int
    alive: bool
    rtt_s: float
    loss_in: float
    loss_out: float
    doubt_out: float
    """Standard error of `loss_out`: large on a path that little was sent on."""
    burst_in: float
    """Mean burst over that of random loss; 1 is random."""
    burst_out: float
    delay_in_s: float
    delay_out_s: float
    """One way from us: half the round trip, plus the queue and jitter the far end measures."""
    full_mtu: bool
    silent_s: float


class DirectionLoss:
    """Loss of one direction as a decaying average of counters that only grow."""

    def __init__(self, memory_s: float) -> None:
        self._memory_s = memory_s
        self._seen: tuple[int, int, int] | None = None
        self._received = 0.0
        self._lost = 0.0
        self._bursts = 0.0

    def feed(self, received: int, lost: int, bursts: int, elapsed_s: float) -> None:
        """Take the counters of now, `elapsed_s` after the last ones.  A smaller counter is a rebirth."""
        before = self._seen
        self._seen = (received, lost, bursts)
        # The birth of a path counts from zero; counters that went back mean it was born again.
        if before is None or received < before[0] or bursts < before[2]:
            before = (0, 0, 0)
            self._received = self._lost = self._bursts = 0.0
        keep = math.exp(-elapsed_s / self._memory_s)
        self._received = self._received * keep + (received - before[0])
        # A packet counted as lost may arrive late after all: the difference may be negative.
        self._lost = max(self._lost * keep + (lost - before[1]), 0.0)
        self._bursts = self._bursts * keep + (bursts - before[2])

    @property
    def loss(self) -> float:
        """Return the share lost, 0..1, drawn towards `UNKNOWN_LOSS` while little was seen."""
        total = self._received + self._lost + UNKNOWN_WEIGHT
        return (self._lost + UNKNOWN_LOSS * UNKNOWN_WEIGHT) / total

    @property
    def doubt(self) -> float:
        """Return the standard error of `loss` as a binomial share."""
        total = self._received + self._lost + UNKNOWN_WEIGHT
        return math.sqrt(self.loss * (1 - self.loss) / total)

    @property
    def burst_ratio(self) -> float:
        """Return the mean burst over that of random loss, at least 1 (see `quality.burst_ratio`)."""
        return burst_ratio(self._lost, self._bursts, self._received)


class PathWatch:
    """Follows one path: feed a reading each tick, then ask for the estimate."""

    def __init__(self, path: int, config: PathConfig, now: float) -> None:
        self.path = path
        self._at = now
        self._inbound = DirectionLoss(config.loss_memory_s)
        self._outbound = DirectionLoss(config.loss_memory_s)
        self._reading = PathReading(path=path, remote="")
        self._frames = 0
        self._frames_per_s = 0.0

    @property
    def frames_per_s(self) -> float:
        """Return how many frames arrived per second, over about the last second."""
        return self._frames_per_s

    def feed(self, reading: PathReading, now: float) -> None:
        """Take this tick's counters."""
        elapsed_s = max(now - self._at, 0.0)
        self._at = now
        self._reading = reading
        self._inbound.feed(reading.near_received, reading.near_lost, reading.near_bursts, elapsed_s)
        self._outbound.feed(reading.far_received, reading.far_lost, reading.far_bursts, elapsed_s)
        if elapsed_s > 0:
            rate = max(reading.near_received - self._frames, 0) / elapsed_s
            self._frames_per_s += min(elapsed_s, 1.0) * (rate - self._frames_per_s)
        self._frames = reading.near_received

    def estimate(
        self, now: float, probing_since: float, dead_after_s: float, full_bytes: int
    ) -> PathEstimate:
        """Return what is believed now; silence counts only from when probes became frequent."""
        reading = self._reading
        heard = math.isfinite(reading.heard_age_s)
        silent_s = min(reading.heard_age_s + now - self._at, now - probing_since) if heard else math.inf
        rtt_s = reading.rtt_s if math.isfinite(reading.rtt_s) else 0.0
        return PathEstimate(
            path=self.path,
            alive=silent_s < dead_after_s,
            rtt_s=rtt_s,
            loss_in=self._inbound.loss,
            loss_out=self._outbound.loss,
            doubt_out=self._outbound.doubt,
            burst_in=self._inbound.burst_ratio,
            burst_out=self._outbound.burst_ratio,
            delay_in_s=rtt_s / 2 + reading.near_queue_s + reading.near_jitter_s,
            delay_out_s=rtt_s / 2 + reading.far_queue_s + reading.far_jitter_s,
            full_mtu=reading.mtu_bytes >= full_bytes,
            silent_s=silent_s,
        )
