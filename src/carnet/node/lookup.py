"""Finding the addresses of hosts, without blocking the tunnel while a resolver is slow."""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import ip_address

import structlog

LOOKUP_S = 5.0

log = structlog.get_logger()


async def find(hosts: Iterable[str]) -> dict[str, list[str]]:
    """Return the addresses of each host in the order to try them; none for a host not found."""
    wanted = list(hosts)
    found = await asyncio.gather(*(_find_one(host) for host in wanted))
    return dict(zip(wanted, found, strict=True))


async def _find_one(host: str) -> list[str]:
    try:
        return [str(ip_address(host))]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LOOKUP_S):
            answers = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError, TimeoutError):
        log.info("host-not-found")
        return []
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))
