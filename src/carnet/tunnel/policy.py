"""Which path carries, as a pure function: estimates in, choice out.

The best live path carries; a path with a small MTU loses to a full one; the path in use
keeps its place unless it dies or another is better by a margin for a while.  "Better" is
the E-model's rating of a call over it, so that delay and loss are on one scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from carnet.tunnel.config import PathConfig
from carnet.tunnel.paths import PathEstimate
from carnet.tunnel.quality import delay_impairment, loss_impairment

DELAY_POINTS_PER_S = 24.0
"""Linear cost of delay below 177 ms: 0.024 points a millisecond (Cole and Rosenbluth, 2001)."""
SMALL_MTU_POINTS = 1000.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What the carrier shall do until the next plan."""

    shares: dict[int, float]
    """Path id -> share of new packets, 0..1; the shares of a plan sum to 1.  Empty: as before."""
    probe_s: float
    """Pause between probes on every path."""
    shake: bool = False
    """Start a new handshake on all paths, now."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The path in use and what is held against it."""

    path: int | None = None
    since: float = float("-inf")
    rival: int | None = None
    rival_since: float = 0.0
    begun: float = float("-inf")
    """When the first choice of all was made."""


def cost(estimate: PathEstimate, doubts: float = 0.0) -> float:
    """Return the points a call from us loses on this path; smaller is better.

    `doubts` standard errors are added to its loss: 0 for what is likely, 1 for what is feared.
    """
    loss = min(estimate.loss_out + doubts * estimate.doubt_out, 1.0)
    return loss_impairment(loss, estimate.burst_out) + cost_of_delay(estimate)


def cost_of_delay(estimate: PathEstimate) -> float:
    """Return the points lost by delay, and by packets that must be small: what is known at once."""
    points = delay_impairment(estimate.delay_out_s) + DELAY_POINTS_PER_S * estimate.delay_out_s
    return points if estimate.full_mtu else points + SMALL_MTU_POINTS


def choose(estimates: Sequence[PathEstimate], before: Choice, now: float, config: PathConfig) -> Choice:
    """Return the path that carries from now on.

    With no live path the old choice stands: whatever still gets through goes there.
    """
    alive = {estimate.path: cost(estimate) for estimate in estimates if estimate.alive}
    if not alive:
        return replace(before, rival=None)
    best = min(alive, key=lambda path: (alive[path], path))
    if before.path is None:
        return Choice(path=best, since=now, begun=now)
    if before.path not in alive:
        return _move(before, best, now)
    if now - before.begun < config.settle_s:
        return _move(before, _quicker(estimates, before.path, config), now)
    feared = next(cost(estimate, 1.0) for estimate in estimates if estimate.path == best)
    return _duel(before, best, alive[before.path] - feared, now, config)


def _move(before: Choice, path: int, now: float) -> Choice:
    return before if path == before.path else replace(before, path=path, since=now, rival=None)


def _quicker(estimates: Sequence[PathEstimate], path: int, config: PathConfig) -> int:
    """Return the living path that beats `path` clearly by delay, or `path`."""
    points = {estimate.path: cost_of_delay(estimate) for estimate in estimates if estimate.alive}
    best = min(points, key=lambda other: (points[other], other))
    return best if points[path] - points[best] > config.settle_by else path


def _duel(before: Choice, rival: int, lead: float, now: float, config: PathConfig) -> Choice:
    """Let a rival take over once its lead in points has been clear for a while."""
    if rival == before.path or lead < config.better_by:
        return replace(before, rival=None)
    if before.rival != rival:
        before = replace(before, rival=rival, rival_since=now)
    won = now - before.rival_since >= config.hold_s and now - before.since >= config.rest_s
    return _move(before, rival, now) if won else before
