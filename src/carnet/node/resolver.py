"""The campus' resolver: answers class names on the tunnel address, refuses every other name.

Each address it gives out is opened in the gateway first, so that the student's first
packet already passes.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import structlog

from carnet.errors import GatewayError, MisuseError
from carnet.node.gateway import Gateway, worth_admitting
from carnet.node.nameserver import addresses_in, ask, refusal
from carnet.tunnel import addresses
from carnet.tunnel.service import NameList

log = structlog.get_logger()

RESOLV_CONF = Path("/etc/resolv.conf")

# Records that carry addresses of their own, which would bypass what is opened and routed.
HINTING = (dns.rdatatype.HTTPS, dns.rdatatype.SVCB)


def upstream_servers(text: str) -> list[str]:
    """Return the addresses in the `nameserver` lines of a resolv.conf(5), at most three."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                found.append(str(addresses.address(words[1])))
            except MisuseError:
                continue
    return found[:3]


class Resolver:
    """Answers one question at a time; give `answer` to a `NameServer`."""

    def __init__(
        self, gateway: Gateway, names: Callable[[], NameList], upstream: Sequence[str], *, ipv6: bool = True
    ) -> None:
        """Args: names: what is a class name now; upstream: addresses to ask; ipv6: whether we reach it."""
        self._gateway = gateway
        self._ipv6 = ipv6
        self._names = names
        self._upstream = upstream

    async def answer(self, query: dns.message.Message) -> dns.message.Message:
        """Return the answer for a class name, or a refusal."""
        question = query.question[0]
        service = self._names().service_of(question.name.to_text())
        if service is None:
            return refusal(query)
        if question.rdtype in HINTING or (question.rdtype == dns.rdatatype.AAAA and not self._ipv6):
            return refusal(query, dns.rcode.NOERROR)
        response = await ask(query, self._upstream)
        found, ttl_s = addresses_in(response)
        if not found:
            return response
        if not all(map(worth_admitting, found)):
            log.warning("not-admitted", service=service, reason="the name points into a private network")
            return refusal(query)
        try:
            self._gateway.admit(service, found, ttl_s, time.monotonic())
        except GatewayError as error:
            log.warning("not-admitted", service=service, reason=str(error))
            return refusal(query, dns.rcode.SERVFAIL)
        return response
