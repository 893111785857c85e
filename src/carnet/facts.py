"""What the carrier measured, as frozen values.  Everything above it only reads them.

Counters run from the birth of a path and never go back, except when the path is born
again (a new remote address, a far end that restarted).
"""

import msgspec

INF = float("inf")


class PathReading(msgspec.Struct, frozen=True, kw_only=True):
    """One path of one peer: `near_*` is what this end received, `far_*` what the far end says it did.

    Times are seconds, infinite while unknown.  `heard_age_s` is the time since the last
    completed round trip.  `mtu_bytes` is the largest inner packet trusted to fit.
    """

    path: int
    remote: str
    sent_packets: int = 0
    sent_bytes: int = 0
    received_packets: int = 0
    received_bytes: int = 0
    near_received: int = 0
    near_lost: int = 0
    near_bursts: int = 0
    near_longest_burst: int = 0
    near_jitter_s: float = 0.0
    near_queue_s: float = 0.0
    far_received: int = 0
    far_lost: int = 0
    far_bursts: int = 0
    far_longest_burst: int = 0
    far_jitter_s: float = 0.0
    far_queue_s: float = 0.0
    heard_age_s: float = INF
    rtt_s: float = INF
    rtt_least_s: float = INF
    mtu_bytes: int = 0


class PeerReading(msgspec.Struct, frozen=True, kw_only=True):
    """One peer of a tunnel end and its paths."""

    public_key: bytes
    handshake_age_s: float = INF
    speaks_frames: bool = False
    paths: tuple[PathReading, ...] = ()
