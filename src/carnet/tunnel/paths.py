"""Estimates per path and direction, from the carrier's counters.  No sockets, no clock.

The carrier (Rust) measures; this module estimates; `policy` decides; the carrier obeys.
The same readings always give the same estimates, so a field trace replays as a test.
"""

import math
from dataclasses import dataclass

from carnet.facts import PathReading
from carnet.tunnel.config import PathConfig

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
    burst_in: float
    burst_out: float
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
    def mean_burst(self) -> float:
        """Return the mean number of packets lost in a row, at least 1."""
        return max(self._lost / self._bursts, 1.0) if self._bursts >= 1 else 1.0


class PathWatch:
    """Follows one path: feed a reading each tick, then ask for the estimate."""

    def __init__(self, path: int, config: PathConfig, now: float) -> None:
        self.path = path
        self._at = now
        self._inbound = DirectionLoss(config.loss_memory_s)
        self._outbound = DirectionLoss(config.loss_memory_s)
        self._reading: PathReading | None = None
        self._far_received = 0
        self._far_moved_at = now
        self._sent_at_move = 0

    def feed(self, reading: PathReading, now: float) -> None:
        """Take this tick's counters."""
        elapsed_s = max(now - self._at, 0.0)
        self._at = now
        self._inbound.feed(reading.received_packets, reading.lost_packets, reading.bursts, elapsed_s)
        self._outbound.feed(
            reading.far_received_packets, reading.far_lost_packets, reading.far_bursts, elapsed_s
        )
        if reading.far_received_packets != self._far_received or reading.sent_packets < self._sent_at_move:
            self._far_received = reading.far_received_packets
            self._far_moved_at = now
            self._sent_at_move = reading.sent_packets
        self._reading = reading

    def deaf_since(self) -> float | None:
        """Return when the far end last heard more of us, if we sent at least 3 packets since."""
        if self._reading is None or self._reading.sent_packets - self._sent_at_move < 3:
            return None
        return self._far_moved_at

    def estimate(
        self, now: float, probing_since: float, dead_after_s: float, *, deaf: bool, full_bytes: int
    ) -> PathEstimate:
        """Return what is believed now; silence counts only from when probes became frequent."""
        reading = self._reading
        if reading is None:
            reading = PathReading(path=self.path, remote="")
        age_s = reading.heard_age_s + (now - self._at)
        heard = math.isfinite(reading.heard_age_s)
        silent_s = min(age_s, now - probing_since) if heard else math.inf
        return PathEstimate(
            path=self.path,
            alive=silent_s < dead_after_s and not deaf,
            rtt_s=reading.rtt_s,
            loss_in=self._inbound.loss,
            loss_out=self._outbound.loss,
            burst_in=self._inbound.mean_burst,
            burst_out=self._outbound.mean_burst,
            delay_out_s=reading.rtt_s / 2 + reading.far_queue_s + reading.far_jitter_s,
            full_mtu=reading.mtu_bytes == 0 or reading.mtu_bytes >= full_bytes,
            silent_s=silent_s,
        )
