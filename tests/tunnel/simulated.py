"""A simulated peer: paths with delay, loss and outages, giving the readings a carrier would give.

Probes and echoes are modelled one by one; random loss is drawn from a seeded generator.
"""

import random
from dataclasses import dataclass, field

from carnet.facts import PathReading, PeerReading
from carnet.tunnel.policy import Plan

INF = float("inf")


@dataclass
class Line:
    """One path of the simulation; change `down`, `loss` and `rtt_s` as time goes by."""

    path: int
    rtt_s: float = 0.1
    loss: float = 0.0
    down: bool = False
    mtu_bytes: int = 1376
    heard_at: float = -INF
    echoes: list[float] = field(default_factory=list)
    next_probe: float = 0.0
    sent: int = 0
    near: int = 0
    near_lost: int = 0
    far: int = 0
    far_lost: int = 0
    bursts: int = 0


class SimulatedPeer:
    """Advance it tick by tick; it probes at the pace it is told."""

    def __init__(self, lines: list[Line], seed: int = 1) -> None:
        self.lines = {line.path: line for line in lines}
        self.plan = Plan({}, 0.15)
        self.carried = 0
        self.frames = True
        self.handshake_at = 0.0
        self._random = random.Random(seed)

    def advance(self, now: float, packets_per_s: float = 0.0, tick_s: float = 0.1) -> PeerReading:
        """Let one tick pass and return the reading at its end."""
        data = round(packets_per_s * tick_s)
        self.carried += 2 * data
        for line in self.lines.values():
            self._advance(line, now, data if line.path in self.plan.shares else 0)
        paths = tuple(self._reading(line, now) for line in self.lines.values())
        return PeerReading(
            public_key=b"k" * 32,
            handshake_age_s=now - self.handshake_at,
            speaks_frames=self.frames,
            paths=paths,
        )

    def _advance(self, line: Line, now: float, data: int) -> None:
        while line.next_probe <= now:
            if not line.down and not self._lost(line) and not self._lost(line):
                line.echoes.append(line.next_probe + line.rtt_s)
            data += 1
            line.next_probe += self.plan.probe_s
        # A faster pace takes effect at once, as it does in the carrier.
        line.next_probe = min(line.next_probe, now + self.plan.probe_s)
        arrived = [at for at in line.echoes if at <= now]
        line.echoes = [at for at in line.echoes if at > now]
        if arrived and not line.down:
            line.heard_at = max(arrived)
        line.sent += data
        for _ in range(data):
            if line.down:
                continue
            if self._lost(line):
                line.near_lost += 1
                line.far_lost += 1
                line.bursts += 1
            else:
                line.near += 1
                line.far += 1

    def _lost(self, line: Line) -> bool:
        return self._random.random() < line.loss

    @staticmethod
    def _reading(line: Line, now: float) -> PathReading:
        return PathReading(
            path=line.path,
            remote="192.0.2.1:1",
            sent_packets=line.sent,
            near_received=line.near,
            near_lost=line.near_lost,
            near_bursts=line.bursts,
            far_received=line.far,
            far_lost=line.far_lost,
            far_bursts=line.bursts,
            heard_age_s=now - line.heard_at,
            rtt_s=line.rtt_s if line.heard_at > -INF else INF,
            mtu_bytes=line.mtu_bytes,
        )
