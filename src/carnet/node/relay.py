"""The running relay: a directory in, datagrams through.  Writes nothing, logs no address."""

import asyncio
from collections.abc import Sequence

import structlog

from carnet.errors import NameResolutionError
from carnet.node import lookup, rights
from carnet.node.serve import pause, say_ready
from carnet.tunnel import addresses
from carnet.tunnel.carrier import Relay
from carnet.tunnel.directory import Directory

log = structlog.get_logger()

LOOK_UP_AGAIN_S = 60.0


async def run(directories: Sequence[Directory], listen: str, stop: asyncio.Event) -> None:
    """Forward for the campuses of these directories until `stop`.

    Args:
        directories: Checked; one per campus.
        listen: ADDRESS:PORT to receive students on.
        stop: Set when it is time to end.

    Raises:
        NameResolutionError, PortInUseError, NoRightsError: as named.
    """
    # Before any thread exists: the relay's own threads must have no more rights than this one.
    rights.no_new_privileges()
    targets = await _targets(directories)
    if not targets:
        names = ", ".join(directory.endpoint for directory in directories)
        raise NameResolutionError(f"no address found for {names}: check the name and this machine's DNS")
    relay = Relay(listen, targets)
    try:
        rights.become_nobody()
        host = listen.rpartition(":")[0]
        campuses = ",".join(directory.campus for directory in directories)
        say_ready(f"ready relay {host}:{relay.port} for {campuses}")
        log.info("ready", campuses=len(targets))
        await _keep(relay, directories, targets, stop)
        log.info("stopped", **relay.counts())
    finally:
        relay.close()


async def _keep(
    relay: Relay, directories: Sequence[Directory], targets: list[tuple[bytes, str]], stop: asyncio.Event
) -> None:
    """Follow campuses that move to another address, and say now and then what was carried."""
    before = relay.counts()
    while not await pause(stop, LOOK_UP_AGAIN_S):
        found = await _targets(directories)
        if found and found != targets:
            relay.set_campuses(found)
            targets = found
            log.info("campus-moved")
        counts = relay.counts()
        if counts != before:
            log.info("carried", **counts)
            before = counts


async def _targets(directories: Sequence[Directory]) -> list[tuple[bytes, str]]:
    """Return (gateway key, address:port) of each campus that is found."""
    targets = []
    for directory in directories:
        host, port = addresses.endpoint(directory.endpoint)
        found = (await lookup.find([host]))[host]
        if found:
            targets.append((directory.gateway_key, addresses.endpoint_text(found[0], port)))
    return targets
