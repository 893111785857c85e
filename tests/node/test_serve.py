"""How foreground commands run and stop."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from carnet.errors import WorldError
from carnet.node.serve import pause, together

STOPPABLE = """
import asyncio
from carnet.node import serve
async def driver(stop):
    serve.say_ready("ready test")
    async def forever():
        await asyncio.Event().wait()
    await serve.together(stop, forever(), forever())
    print("stopped")
serve.run(driver)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", STOPPABLE], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready test\n"
        os.kill(process.pid, number)
        assert process.stdout.read() == "stopped\n"
        assert process.wait() == 0


def test_one_part_that_fails_ends_the_rest() -> None:
    ended = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def broken() -> None:
        raise WorldError("x")

    with pytest.raises(WorldError):
        asyncio.run(together(asyncio.Event(), forever(), broken()))
    assert ended == [True]


def test_a_pause_ends_early_when_it_is_time_to_stop() -> None:
    async def dialogue() -> None:
        stop = asyncio.Event()
        assert not await pause(stop, 0.001)
        stop.set()
        assert await pause(stop, 3600)

    asyncio.run(dialogue())
