"""`python -m carnet.lab.call ROLE ...`: one side of the class as a process of its own.

Speaks JSON lines with the lab: the student says its offer, the classroom answers it, both say when they are
connected, and the lab names the moment (CLOCK_MONOTONIC) at which the class starts.
"""

import argparse
import asyncio
import gc
import sys
from pathlib import Path
from typing import Any, Final

from carnet.errors import Error
from carnet.lab.call import media
from carnet.lab.call.side import Side
from carnet.lab.lines import hear, say

AFTER_S: Final = 1.5
"""Time for the last packets and their retransmissions to arrive."""
FLUSH_S: Final = 0.5


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m carnet.lab.call", description=__doc__)
    parser.add_argument("role", choices=["student", "classroom"])
    parser.add_argument("--address", required=True, help="the one address to offer to the other side")
    parser.add_argument("--picture", required=True, help="WIDTHxHEIGHT")
    parser.add_argument("--video-bps", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="directory for the traces")
    return parser.parse_args()


async def _hear(word: str) -> Any:  # noqa: ANN401
    return await asyncio.get_running_loop().run_in_executor(None, hear, word)


async def _attend(args: argparse.Namespace) -> None:
    width, height = map(int, args.picture.split("x"))
    picture = media.video(width, height, args.video_bps, args.seed)
    side = Side(
        args.address,
        picture,
        media.audio(args.seed),
        args.out / f"{args.role}-sent",
        args.out / f"{args.role}-got",
    )
    if args.role == "student":
        say(offer=await side.offer())
        await side.accept(await _hear("answer"))
    else:
        say(answer=await side.answer(await _hear("offer")))
    await side.connected()
    say(connected=True)
    begin_s = float(await _hear("begin"))
    # A collection pause of tens of milliseconds would be blamed on the network.
    gc.collect()
    gc.freeze()
    gc.disable()
    side.begin(begin_s)
    loop = asyncio.get_running_loop()
    while loop.time() < begin_s + args.seconds:
        await asyncio.sleep(min(FLUSH_S, max(0.0, begin_s + args.seconds - loop.time())))
        side.flush()
    side.hush()
    await asyncio.sleep(AFTER_S)
    side.flush()
    say(done=True)
    await side.close()


def main() -> int:
    """Run one side; an error of ours is one line the lab passes on."""
    try:
        asyncio.run(_attend(_arguments()))
    except Error as error:
        say(failed=f"{error.code}: {error}")
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
