"""The Rust data plane.  `carnet.tunnel.carrier` is the only module that imports it."""

from collections.abc import Sequence
from typing import final

__all__ = ["LinkCounts", "Network", "PathCounts", "PeerCounts", "Relay", "Tunnel"]

@final
class PathCounts:
    """One path of one peer.  Counters run from the birth of the path; times are seconds, `inf` if unknown.

    `near_` is what this end received, `far_` what the far end says it received.
    """

    path: int
    remote: str
    sent_packets: int
    sent_bytes: int
    received_packets: int
    received_bytes: int
    near_received: int
    near_lost: int
    near_bursts: int
    near_longest_burst: int
    near_jitter_s: float
    near_queue_s: float
    far_received: int
    far_lost: int
    far_bursts: int
    far_longest_burst: int
    far_jitter_s: float
    far_queue_s: float
    heard_age_s: float
    rtt_s: float
    rtt_least_s: float
    mtu_bytes: int

@final
class PeerCounts:
    """One peer of a tunnel end."""

    public_key: bytes
    handshake_age_s: float
    speaks_frames: bool
    paths: list[PathCounts]

@final
class Tunnel:
    """One end of a tunnel: a TUN, a UDP port, many peers.  Runs on its own threads until closed."""

    def __new__(cls, private_key: bytes, interface: str, listen: str) -> Tunnel: ...
    @property
    def interface(self) -> str: ...
    @property
    def port(self) -> int: ...
    def set_peer(
        self,
        public_key: bytes,
        allowed: Sequence[str],
        paths: Sequence[tuple[int, str]] = ...,
        keepalive_s: int = 0,
        initiates: bool = False,
    ) -> None: ...
    def remove_peer(self, public_key: bytes) -> bool: ...
    def obey(self, public_key: bytes, shares: Sequence[tuple[int, float]], probe_s: float) -> bool: ...
    def shake(self, public_key: bytes) -> bool: ...
    def report(self, every: bool = False) -> list[PeerCounts]: ...
    def counters(self) -> dict[str, int]: ...
    def close(self) -> None: ...

@final
class Relay:
    """The blind forwarder: datagrams between students and the campuses it is configured for."""

    def __new__(cls, listen: str, campuses: Sequence[tuple[bytes, str]]) -> Relay: ...
    @property
    def port(self) -> int: ...
    def set_campuses(self, campuses: Sequence[tuple[bytes, str]]) -> None: ...
    def counts(self) -> dict[str, int]: ...
    def close(self) -> None: ...

@final
class LinkCounts:
    """One direction of one emulated link."""

    source: str
    target: str
    offered_packets: int
    offered_bytes: int
    delivered_packets: int
    delivered_bytes: int
    lost_packets: int
    queue_drops: int
    policed_drops: int
    oversized_drops: int
    undelivered_packets: int

@final
class Network:
    """Emulated links between hosts, each a TUN opened by the caller in the host's namespace."""

    def __new__(cls, seed: int) -> Network: ...
    def add_host(self, name: str, tun_fd: int, addresses: Sequence[str]) -> None: ...
    def set_addresses(self, name: str, addresses: Sequence[str]) -> None: ...
    def set_link(
        self,
        source: str,
        target: str,
        *,
        delay_s: float,
        jitter_s: float = 0.0,
        rate_bps: float = 0.0,
        queue_s: float = 0.0,
        police_bps: float = 0.0,
        police_burst_bytes: int = 0,
        loss: float = 0.0,
        loss_enter: float = 0.0,
        loss_leave: float = 1.0,
        loss_in_burst: float = 0.0,
        outage_every_s: float = 0.0,
        outage_least_s: float = 0.0,
        outage_most_s: float = 0.0,
        mtu_bytes: int = 0,
        group: str = "",
    ) -> None: ...
    def start(self) -> None: ...
    def counts(self) -> list[LinkCounts]: ...
    def unrouted(self) -> int: ...
    def close(self) -> None: ...
