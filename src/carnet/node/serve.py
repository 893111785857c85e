"""How every foreground command runs: logs to stderr, one ready line, a clean stop."""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine

import structlog

Driver = Callable[[asyncio.Event], Awaitable[None]]


def log_to_stderr() -> None:
    """Write one JSON object per line from level INFO."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def say_ready(line: str) -> None:
    """Print the one line that says the command now serves."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run(driver: Driver) -> None:
    """Run a driver until it ends or SIGTERM or SIGINT sets its event."""
    log_to_stderr()
    asyncio.run(_with_signals(driver))


async def _with_signals(driver: Driver) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await driver(stop)


async def together(stop: asyncio.Event, *work: Coroutine[None, None, None]) -> None:
    """Run all of it until `stop` is set or one part fails; then end the rest and raise what failed."""
    tasks = {asyncio.create_task(part) for part in (*work, _until(stop))}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def pause(stop: asyncio.Event, seconds: float) -> bool:
    """Wait, or return True at once when it is time to stop."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True
