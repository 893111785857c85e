"""The words and numbers of a report, said the same way on the page, in the picture and on the terminal.  Pure."""

from carnet.lab.result import Direction, Evening, Result
from carnet.lab.score import DEADLINE_S

OURS = "carnet"


def headline(evening: Evening) -> str:
    """Return the one sentence a student reads: frames too late with carnet, and without."""
    ours = _down(evening, OURS)
    bare = _down(evening, "direct")
    if ours is None and bare is None:
        return "No class was held without or with carnet: see below why."
    if ours is None:
        assert bare is not None
        return f"Without a tunnel, {_of(bare)} picture frames came too late."
    if bare is None:
        return f"With carnet, {_of(ours)} picture frames came too late."
    return f"With carnet, {_of(ours)} picture frames came too late; without it, {_of(bare)}."


def _down(evening: Evening, tunnel: str) -> Direction | None:
    return next((result.down for result in evening.results if result.tunnel == tunnel), None)


def _of(direction: Direction) -> str:
    return f"{direction.score.frames_late:,} of {direction.score.frames:,}"


def share(part: int, whole: int) -> str:
    """Return a share in per cent; nothing is 0, and next to nothing is not."""
    if whole == 0:
        return "–"
    percent = 100 * part / whole
    if percent == 0:
        return "0 %"
    return f"{percent:.2f} %" if percent < 1 else f"{percent:.1f} %"


def milliseconds(seconds: float) -> str:
    """Return a time in milliseconds."""
    return f"{seconds * 1000:.0f} ms"


def cost(direction: Direction) -> str:
    """Return octets on the wire per useful octet."""
    return f"{direction.per_useful:.2f}" if direction.per_useful is not None else "–"


def download(result: Result) -> str:
    """Return the rate of a download, and how far it came if it did not end."""
    got = result.download
    if got is None:
        return "–"
    rate = f"{got.bits_per_s / 1e6:.2f} Mbit/s"
    return rate if got.octets >= got.size else f"{rate} ({100 * got.octets / got.size:.0f} %)"


COLUMNS = (
    f"frames late ({DEADLINE_S * 1000:.0f} ms)",
    "packets lost",
    "sound late",
    "sound (MOS)",
    "picture still",
    "delay p50",
    "delay p95",
    "delay p99",
    "bytes per useful byte",
)


def cells(direction: Direction) -> tuple[str, ...]:
    """Return a direction's values for `COLUMNS`."""
    score = direction.score
    still = f"{score.freezes} x, {score.frozen_s:.1f} s" if score.freezes else "0"
    return (
        share(score.frames_late, score.frames),
        share(score.packets_lost, score.packets),
        share(score.sounds_late, score.sounds),
        f"{score.mos:.2f}",
        still,
        *(milliseconds(value) for value in score.delay_s[:3]),
        cost(direction),
    )
