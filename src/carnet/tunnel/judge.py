"""Turns the carrier's readings of one peer into plans.  No sockets, no clock, no randomness.

Keeps what `policy` must not: the watches, the pace of probing, the backoff of handshakes.
"""

import math

from carnet.facts import PeerReading
from carnet.tunnel.config import PathConfig
from carnet.tunnel.paths import PathEstimate, PathWatch
from carnet.tunnel.policy import Choice, Plan, choose

SLOW_GRACE_S = 1.0
"""How long after its time the answer to a slow probe may come."""
TRAFFIC_OVER_S = 2.0
"""Traffic is averaged over this, so that one small exchange is no class."""
SETTLING_S = 3.0
"""After this, a rate averaged over a second has forgotten what was before."""
HELLO_PATIENCE_S = 3.0
"""A peer that has a session and said no hello for this long is a stock one."""


class Pace:
    """How often to probe, from whether a class runs.

    The side that calls sees its own traffic; the side that is called sees how often the
    other probes, and does the same.
    """

    def __init__(self, config: PathConfig, now: float) -> None:
        self._config = config
        self._busy_at = now
        self._carried = 0
        self._at = now
        self._rate = 0.0
        self._slowed_at = float("-inf")
        self.probe_s = config.probe_fast_s
        self.fast_since = now

    @property
    def fast(self) -> bool:
        """Return whether probes are as frequent as they get."""
        return self.probe_s == self._config.probe_fast_s

    def carried(self, packets: int, now: float) -> None:
        """Take the count of inner packets, both directions."""
        elapsed_s = now - self._at
        if elapsed_s <= 0:
            return
        rate = max(packets - self._carried, 0) / elapsed_s
        self._rate += min(elapsed_s / TRAFFIC_OVER_S, 1.0) * (rate - self._rate)
        self._at, self._carried = now, packets
        if self._rate >= self._config.active_packets_per_s:
            self._busy_at = now

    def mirrored(self, frames_per_s: float, now: float) -> None:
        """Take how many frames arrive per second on the quietest path."""
        # Of these, one for each of our probes is its echo; the rest are the other's own.  Echoes of
        # the faster pace still count for a while after slowing down.
        settled = now - self._slowed_at > SETTLING_S
        if settled and frames_per_s - 1 / self.probe_s > 0.5 / self._config.probe_fast_s:
            self._busy_at = now

    def set(self, now: float, *, suspect: bool) -> None:
        """Choose the pace of now."""
        idle_s = now - self._busy_at
        config = self._config
        if idle_s < config.idle_after_s or suspect:
            pace = config.probe_fast_s
        else:
            pace = config.probe_idle_s if idle_s < config.asleep_after_s else config.probe_asleep_s
        if pace == config.probe_fast_s and not self.fast:
            self.fast_since = now
        if pace > self.probe_s:
            self._slowed_at = now
        self.probe_s = pace


class Caller:
    """When to start a handshake, with pauses that double while it does not help."""

    def __init__(self, config: PathConfig) -> None:
        self._config = config
        self._silent: set[int] = set()
        self._at = float("-inf")
        self._pause_s = 0.0

    def due(self, silent: set[int], now: float, *, alone: bool) -> bool:
        """Return whether to call now, because paths are `silent`; `alone` if no other carries."""
        new = silent - self._silent
        self._silent = set(silent)
        if not silent and not alone:
            self._pause_s = 0.0
            return False
        if new:
            self._pause_s = 0.0
        config = self._config
        most_s = config.shake_most_s if alone else config.shake_rarely_s
        pause_s = min(self._pause_s, most_s)
        if now - self._at < max(pause_s, config.shake_least_s) - 1e-9:
            return False
        self._at = now
        self._pause_s = min(2 * pause_s, most_s) or config.shake_least_s
        return True


class PathJudge:
    """Judges the paths of one peer.

    Drive it with two calls, in this order, about ten times a second:

    1. `feed` with the peer's reading, if there is one,
    2. `plan`, and hand the result to the carrier.

    Time is the caller's: `now` is seconds on any monotonic clock and must not go backwards.
    """

    def __init__(self, config: PathConfig, now: float, *, initiates: bool) -> None:
        self._config = config
        self._initiates = initiates
        self._pace = Pace(config, now)
        self._watches: dict[int, PathWatch] = {}
        self._choice = Choice()
        self._estimates: list[PathEstimate] = []
        self._suspect = False
        self._stock = False
        self._full_bytes = 0
        self._born_at = now
        self._caller = Caller(config)

    def feed(self, reading: PeerReading, now: float, carried: int | None = None) -> None:
        """Take this tick's counters of the peer and its paths.

        Args:
            reading: From the carrier.
            now: Seconds, monotonic.
            carried: Inner packets so far, both directions; None where only the far end knows.
        """
        known = {path.path for path in reading.paths}
        self._watches = {path: watch for path, watch in self._watches.items() if path in known}
        for path in reading.paths:
            watch = self._watches.get(path.path)
            if watch is None:
                watch = self._watches[path.path] = PathWatch(path.path, self._config, now)
            watch.feed(path, now)
        if carried is not None:
            self._pace.carried(carried, now)
        elif self._watches:
            self._pace.mirrored(min(watch.frames_per_s for watch in self._watches.values()), now)
        heard = [path.heard_age_s for path in reading.paths]
        # One unanswered slow probe is reason enough to look closely, for the side that can call again.
        self._suspect = self._initiates and bool(heard) and min(heard) > self._pace.probe_s + SLOW_GRACE_S
        self._full_bytes = max((path.mtu_bytes for path in reading.paths), default=0)
        session = math.isfinite(reading.handshake_age_s)
        self._stock = session and not reading.speaks_frames and reading.handshake_age_s > HELLO_PATIENCE_S

    def plan(self, now: float) -> Plan:
        """Return what the carrier shall do until the next plan."""
        pace = self._pace
        pace.set(now, suspect=self._suspect)
        dead_after_s = self._config.dead_after_s if pace.fast else pace.probe_s + SLOW_GRACE_S
        since = pace.fast_since if pace.fast else float("-inf")
        self._estimates = [
            watch.estimate(now, since, dead_after_s, self._full_bytes)
            for _, watch in sorted(self._watches.items())
        ]
        if self._stock:
            # A stock peer answers no probe: WireGuard's own timers look after it.
            return Plan({}, pace.probe_s)
        self._choice = choose(self._estimates, self._choice, now, self._config)
        shares = {} if self._choice.path is None else {self._choice.path: 1.0}
        return Plan(shares, pace.probe_s, self._shake(now))

    @property
    def estimates(self) -> list[PathEstimate]:
        """Return what the last plan was decided on."""
        return self._estimates

    @property
    def probe_s(self) -> float:
        """Return the pause between probes."""
        return self._pace.probe_s

    @property
    def asleep(self) -> bool:
        """Return whether nothing has been carried for a while."""
        return self._pace.probe_s >= self._config.probe_asleep_s

    @property
    def carrying(self) -> int | None:
        """Return the path the last plan uses."""
        return self._choice.path

    def _shake(self, now: float) -> bool:
        if not self._initiates or not self._pace.fast:
            return False
        if now - self._born_at < self._config.shake_after_s:
            return False
        silent = {one.path for one in self._estimates if one.silent_s >= self._config.shake_after_s}
        # A relay that is new, or has restarted, lets nothing through until it sees a handshake.
        return self._caller.due(silent, now, alone=len(silent) == len(self._estimates))
