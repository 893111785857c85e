"""Turns the carrier's readings of one peer into plans.  No sockets, no clock, no randomness.

Keeps what `policy` must not: the watches, the pace of probing, the backoff of handshakes.
"""

from carnet.facts import PeerReading
from carnet.tunnel.config import MTU_BYTES, PathConfig
from carnet.tunnel.paths import PathEstimate, PathWatch
from carnet.tunnel.policy import Choice, Plan, choose

SLOW_GRACE_S = 1.0
"""How long after its time the answer to a slow probe may come."""


class PathJudge:
    """Judges the paths of one peer.

    Drive it with two calls, in this order, about ten times a second:

    1. `feed` with the peer's reading, if there is one,
    2. `plan`, and hand the result to the carrier.

    Time is the caller's: `now` is seconds on any monotonic clock and must not go backwards.
    """

    def __init__(
        self, config: PathConfig, now: float, *, initiates: bool, mtu_bytes: int = MTU_BYTES
    ) -> None:
        self._config = config
        self._initiates = initiates
        self._mtu_bytes = mtu_bytes
        self._watches: dict[int, PathWatch] = {}
        self._choice = Choice()
        self._at = now
        self._packets = 0
        self._rate = 0.0
        self._busy_at = now
        self._probe_s = config.probe_fast_s
        self._probing_since = now
        self._shake_at = now + config.shake_after_s
        self._shake_pause_s = config.shake_least_s
        self._estimates: list[PathEstimate] = []
        self._suspect = False

    def feed(self, reading: PeerReading, now: float) -> None:
        """Take this tick's counters of the peer and of its paths."""
        self._measure_traffic(reading.sent_packets + reading.received_packets, now)
        known = {path.path for path in reading.paths}
        self._watches = {path: watch for path, watch in self._watches.items() if path in known}
        for path in reading.paths:
            watch = self._watches.get(path.path)
            if watch is None:
                watch = self._watches[path.path] = PathWatch(path.path, self._config, now)
            watch.feed(path, now)
        heard = [path.heard_age_s for path in reading.paths]
        # One unanswered slow probe is reason enough to look closely, for the side that can call again.
        self._suspect = self._initiates and bool(heard) and min(heard) > self._probe_s + SLOW_GRACE_S

    def plan(self, now: float) -> Plan:
        """Return what the carrier shall do until the next plan."""
        self._set_pace(now)
        fast = self._probe_s == self._config.probe_fast_s
        dead_after_s = self._config.dead_after_s if fast else self._probe_s + SLOW_GRACE_S
        since = self._probing_since if fast else float("-inf")
        deaf = self._deaf(now)
        self._estimates = [
            watch.estimate(now, since, dead_after_s, deaf=path in deaf, full_bytes=self._mtu_bytes)
            for path, watch in sorted(self._watches.items())
        ]
        self._choice = choose(self._estimates, self._choice, now, self._config)
        shares = {} if self._choice.path is None else {self._choice.path: 1.0}
        return Plan(shares, self._probe_s, self._shake(now))

    @property
    def estimates(self) -> list[PathEstimate]:
        """Return what the last plan was decided on."""
        return self._estimates

    @property
    def carrying(self) -> int | None:
        """Return the path the last plan uses."""
        return self._choice.path

    def _measure_traffic(self, packets: int, now: float) -> None:
        elapsed_s = now - self._at
        if elapsed_s <= 0:
            return
        new = max(packets - self._packets, 0)
        self._at, self._packets = now, packets
        weight = min(elapsed_s, 1.0)
        self._rate += weight * (new / elapsed_s - self._rate)
        if self._rate >= self._config.active_packets_per_s:
            self._busy_at = now

    def _set_pace(self, now: float) -> None:
        idle_s = now - self._busy_at
        config = self._config
        if idle_s < config.idle_after_s or self._suspect:
            pace = config.probe_fast_s
        else:
            pace = config.probe_idle_s if idle_s < config.asleep_after_s else config.probe_asleep_s
        if pace == config.probe_fast_s and self._probe_s != pace:
            self._probing_since = now
        self._probe_s = pace

    def _deaf(self, now: float) -> set[int]:
        """Paths on which the far end hears nothing of us, although it hears us on another."""
        if self._probe_s != self._config.probe_fast_s:
            return set()
        since = {path: watch.deaf_since() for path, watch in self._watches.items()}
        deaf = {
            path
            for path, at in since.items()
            if at is not None and now - max(at, self._probing_since) > self._config.deaf_after_s
        }
        return deaf if len(deaf) < len(since) else set()

    def _shake(self, now: float) -> bool:
        if not self._initiates:
            return False
        silent = [estimate.silent_s for estimate in self._estimates]
        slow = self._probe_s != self._config.probe_fast_s
        if slow or (silent and min(silent) < self._config.shake_after_s):
            self._shake_at = now
            self._shake_pause_s = self._config.shake_least_s
            return False
        if now < self._shake_at:
            return False
        self._shake_at = now + self._shake_pause_s
        self._shake_pause_s = min(self._shake_pause_s * 2, self._config.shake_most_s)
        return True
