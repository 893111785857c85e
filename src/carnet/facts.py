"""What the carrier measured, as frozen values.  Everything above it only reads them.

Counters run from the birth of a path and never go back, except when the path is born
again (a new remote address).  Seconds are on the carrier's monotonic clock.
"""

import msgspec


class PathReading(msgspec.Struct, frozen=True, kw_only=True):
    """One path of one peer: `received_*` is the direction to us, `far_*` the one from us.

    `heard_age_s` is infinite on a path never heard.  `mtu_bytes` is the largest inner
    packet known to pass, 0 while unknown.
    """

    path: int
    remote: str
    sent_packets: int = 0
    sent_bytes: int = 0
    received_packets: int = 0
    received_bytes: int = 0
    lost_packets: int = 0
    bursts: int = 0
    longest_burst: int = 0
    heard_age_s: float = float("inf")
    rtt_s: float = 0.0
    rtt_least_s: float = 0.0
    jitter_s: float = 0.0
    queue_s: float = 0.0
    far_received_packets: int = 0
    far_lost_packets: int = 0
    far_bursts: int = 0
    far_longest_burst: int = 0
    far_jitter_s: float = 0.0
    far_queue_s: float = 0.0
    mtu_bytes: int = 0


class PeerReading(msgspec.Struct, frozen=True, kw_only=True):
    """One peer of a tunnel end: its inner traffic and its paths."""

    public_key: bytes
    handshake_age_s: float = float("inf")
    speaks_frames: bool = False
    sent_packets: int = 0
    sent_bytes: int = 0
    received_packets: int = 0
    received_bytes: int = 0
    paths: tuple[PathReading, ...] = ()
