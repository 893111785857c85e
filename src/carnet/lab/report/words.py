"""The words and numbers of a report, the same on the page, in the picture and on the terminal.  Pure."""

from carnet.lab.busy import TOLERABLE
from carnet.lab.result import Direction, Evening, Result

OURS = "carnet"
NOTHING = "-"


def headline(evening: Evening) -> str:
    """Return the one sentence a student reads: frames too late with carnet, and without."""
    ours = _down(evening, OURS)
    bare = _down(evening, "direct")
    if ours is None:
        return (
            f"Without a tunnel, {_of(bare)} picture frames came too late." if bare else "No class was held."
        )
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
        return NOTHING
    percent = 100 * part / whole
    if percent == 0:
        return "0 %"
    return f"{percent:.2f} %" if percent < 1 else f"{percent:.1f} %"


def milliseconds(seconds: float) -> str:
    """Return a time in milliseconds."""
    return f"{seconds * 1000:.0f} ms"


def cost(direction: Direction) -> str:
    """Return octets on the wire per useful octet."""
    return f"{direction.per_useful:.2f}" if direction.per_useful is not None else NOTHING


def doubt(evening: Evening) -> str:
    """Return a warning if the machine was too busy for its figures to be the network's, else nothing."""
    busy = [result for result in evening.results if result.stalled > TOLERABLE]
    if not busy:
        return ""
    told = ", ".join(
        f"{result.title} ({share(round(1e4 * result.stalled), 10_000)} of the time)" for result in busy
    )
    return (
        f"This machine was too busy and let processes wait during: {told}. "
        "These figures are partly its own: run again on a quieter one."
    )


def rate(result: Result) -> str:
    """Return the rate of a download."""
    return f"{result.download.bits_per_s / 1e6:.1f} Mbit/s" if result.download is not None else NOTHING


def fetched(result: Result) -> str:
    """Return how much of a download came before it was stopped."""
    got = result.download
    return f"{100 * got.octets / got.size:.0f} %" if got is not None else NOTHING


def download(result: Result) -> str:
    """Return the rate of a download, and how far it came if it did not end."""
    got = result.download
    ended = got is None or got.octets >= got.size
    return rate(result) if ended else f"{rate(result)} ({fetched(result)})"


COLUMNS = (
    "frames late",
    "packets lost",
    "sound late",
    "sound MOS",
    "picture still",
    "delay p50",
    "delay p95",
    "delay p99",
    "bytes/useful",
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
