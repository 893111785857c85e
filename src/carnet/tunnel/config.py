"""Settings of the tunnel.  Read once at start, then passed down as a value."""

from dataclasses import dataclass

from carnet.errors import MisuseError

MTU_BYTES = 1376  # the largest step of rust/carry/src/path.rs
"""Inner packets: with 12 octets of frame, 32 of WireGuard and 48 of UDP and IPv6 the outside has 1468,
which a PPPoE line (1492) carries with 24 to spare."""

RESOLVER_PORT = 53
DIRECTORY_PORT = 7878
"""TCP on the campus' tunnel address: the signed directory for whoever asks from inside."""

TICK_S = 0.1
"""Plan down and counts up, ten times a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathConfig:
    """How paths are judged.  Every number carries its unit in its name."""

    probe_fast_s: float = 0.15
    """Pause between probes while a class runs.  Shorter notices failure sooner and costs bytes."""

    probe_idle_s: float = 1.0
    """Pause between probes in the first minute without traffic."""

    probe_asleep_s: float = 10.0
    """Pause between probes later; also keeps the mappings of NATs (RFC 4787: at least 120 s) alive."""

    dead_after_s: float = 0.6
    """Silence after which a path carries nothing.  Must leave room for two lost probes."""

    shake_after_s: float = 1.5
    """Silence on all paths after which a new handshake is asked for."""

    shake_least_s: float = 1.0
    shake_most_s: float = 5.0
    """First and longest pause between handshakes while nobody answers."""

    shake_rarely_s: float = 60.0
    """Longest pause between handshakes for a silent path while another carries."""

    loss_memory_s: float = 12.0
    """Time constant of the loss estimate.  Longer flaps less and follows an evening more slowly."""

    hold_s: float = 3.0
    """How long another path must stay better before it takes over."""

    rest_s: float = 5.0
    """Shortest time between two changes of mind, unless the path in use dies."""

    better_by: float = 2.0
    """Points of the E-model's rating (0..93) a path must win by to take over, doubt about it deducted."""

    settle_s: float = 2.0
    """Time after the first choice in which minds change freely: the first answers tell little, and no
    class runs yet that a change could disturb."""

    settle_by: float = 0.3
    """Points a path must win by in that time: 12 ms of delay."""

    active_packets_per_s: float = 20.0
    """Inner packets, both directions, above which a class runs: sound alone is 50 each way, and what
    an idle machine sends (names, the directory) stays below."""

    idle_after_s: float = 10.0
    asleep_after_s: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.probe_fast_s <= self.dead_after_s / 3 + 1e-9:
            raise MisuseError(f"need 0 < probe_fast_s <= dead_after_s / 3, got {self}")
        if not self.probe_fast_s <= self.probe_idle_s <= self.probe_asleep_s:
            raise MisuseError(f"probes must slow down as traffic stops, got {self}")
        if not 0 < self.dead_after_s <= self.shake_after_s or not 0 < self.shake_least_s <= self.shake_most_s:
            raise MisuseError(
                f"need dead_after_s <= shake_after_s and shake_least_s <= shake_most_s, got {self}"
            )
