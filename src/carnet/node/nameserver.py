"""Serves DNS on UDP and TCP and asks other resolvers; what to answer is the caller's.

Messages by dnspython.  Refuses to grow without bound: so many questions at once, the rest
is dropped, as a resolver under load does (clients ask again).
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import cast

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import structlog

from carnet.errors import MalformedQueryError, PortInUseError

Answer = Callable[[dns.message.Message], Awaitable[dns.message.Message]]

AT_ONCE_MOST = 256
TCP_IDLE_S = 10.0
ASK_TIMEOUT_S = 3.0
ALIASES_MOST = 16
MOST_TTL_S = 86_400
UDP_BYTES_PLAIN = 512
UDP_BYTES_MOST = 1232
"""Largest UDP answer (DNS flag day 2020): fits the tunnel without fragments."""

log = structlog.get_logger()


def read_query(wire: bytes) -> dns.message.Message:
    """Return the one question in a message.

    Raises:
        MalformedQueryError: no message, an answer, or not exactly one question.
    """
    try:
        message = dns.message.from_wire(wire)
    except (dns.exception.DNSException, ValueError, struct.error) as error:
        raise MalformedQueryError("not a DNS message") from error
    if message.flags & dns.flags.QR or len(message.question) != 1 or message.opcode() != 0:
        raise MalformedQueryError("not one question")
    return message


def refusal(query: dns.message.Message, code: dns.rcode.Rcode = dns.rcode.REFUSED) -> dns.message.Message:
    """Return an answer that says only why there is none."""
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(code)
    return response


async def ask(query: dns.message.Message, servers: Sequence[str]) -> dns.message.Message:
    """Return what the first server that answers says; SERVFAIL if none does.

    Servers are addresses, port 53.  The question goes out under a number of its own.
    """
    forwarded = dns.message.make_query(
        query.question[0].name,
        query.question[0].rdtype,
        query.question[0].rdclass,
        use_edns=0,
        payload=UDP_BYTES_MOST,
    )
    for server in servers:
        # Somebody else's server may say anything: whatever goes wrong, the next one is asked.
        with suppress(dns.exception.DNSException, OSError, EOFError, ValueError, struct.error):
            found, _ = await dns.asyncquery.udp_with_fallback(forwarded, server, timeout=ASK_TIMEOUT_S)
            response = dns.message.make_response(query, recursion_available=True)
            response.set_rcode(found.rcode())
            response.answer = found.answer
            response.authority = found.authority
            return response
    return refusal(query, dns.rcode.SERVFAIL)


def addresses_in(response: dns.message.Message) -> tuple[list[str], int]:
    """Return the addresses a response gives for its question, and the shortest time to live among them."""
    question = response.question[0]
    if question.rdtype not in (dns.rdatatype.A, dns.rdatatype.AAAA):
        return [], 0
    name, ttl_s = question.name, MOST_TTL_S
    for _ in range(ALIASES_MOST):
        sets = {one.rdtype: one for one in response.answer if one.name == name}
        found = sets.get(question.rdtype)
        if found is not None:
            return [record.address for record in found], min(ttl_s, found.ttl)
        alias = sets.get(dns.rdatatype.CNAME)
        if alias is None:
            break
        name, ttl_s = alias[0].target, min(ttl_s, alias.ttl)
    return [], 0


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: "NameServer") -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio promises a datagram transport here, though its class does not say so.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.start(self._reply(data, addr))

    async def _reply(self, data: bytes, addr: tuple[str, int]) -> None:
        response = await self._server.respond(data)
        if response is None or self._transport is None or self._transport.is_closing():
            return
        payload = min(max(response.payload, UDP_BYTES_PLAIN), UDP_BYTES_MOST)
        try:
            wire = response.to_wire(max_size=payload)
        except dns.exception.TooBig:
            response.answer, response.authority, response.additional = [], [], []
            response.flags |= dns.flags.TC
            wire = response.to_wire()
        self._transport.sendto(wire, addr)


class NameServer:
    """Listens on one address.  `start_on` it, then `close`."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._datagrams: asyncio.BaseTransport | None = None
        self._streams: asyncio.Server | None = None
        self._streams_open: set[asyncio.StreamWriter] = set()

    async def start_on(self, address: str, port: int) -> None:
        """Listen on UDP and TCP.  Raises PortInUseError."""
        loop = asyncio.get_running_loop()
        try:
            self._datagrams, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(address, port)
            )
            self._streams = await asyncio.start_server(self._serve_stream, address, port)
        except OSError as error:
            await self.close()
            raise PortInUseError(f"DNS on {address} port {port}: {error.strerror}") from error

    async def close(self) -> None:
        """Stop listening and forget the questions under way."""
        if self._datagrams is not None:
            self._datagrams.close()
        if self._streams is not None:
            self._streams.close()
        for writer in list(self._streams_open):
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Run one answer, unless too many run already."""
        if len(self._tasks) >= AT_ONCE_MOST:
            work.close()
            return
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def respond(self, wire: bytes) -> dns.message.Message | None:
        """Return the answer to a message, or None to one that deserves none."""
        try:
            query = read_query(wire)
        except MalformedQueryError:
            return None
        response = await self._answer(query)
        response.id = query.id
        return response

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._streams_open) >= AT_ONCE_MOST:
            writer.close()
            return
        self._streams_open.add(writer)
        try:
            await self._answer_stream(reader, writer)
        finally:
            self._streams_open.discard(writer)
            writer.close()

    async def _answer_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(TCP_IDLE_S):
                while True:
                    size = int.from_bytes(await reader.readexactly(2))
                    response = await self.respond(await reader.readexactly(size))
                    if response is None:
                        break
                    wire = response.to_wire(max_size=65535)
                    writer.write(len(wire).to_bytes(2) + wire)
                    await writer.drain()
