"""DNS over real sockets on loopback: questions in, answers out, nonsense ignored."""

import asyncio
import socket

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.errors import MalformedQueryError, PortInUseError
from carnet.node import nameserver
from carnet.node.nameserver import NameServer, addresses_in, read_query, refusal

LOOPBACK = "127.78.1.1"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


async def many(query: dns.message.Message) -> dns.message.Message:
    response = dns.message.make_response(query)
    addresses = [f"198.51.100.{n}" for n in range(1, 200)]
    response.answer.append(dns.rrset.from_text_list(query.question[0].name, 60, "IN", "A", addresses))
    return response


async def one(query: dns.message.Message) -> dns.message.Message:
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "198.51.100.1"))
    return response


@pytest.mark.parametrize("how", ["udp", "tcp"])
def test_questions_are_answered(how: str) -> None:
    async def dialogue() -> None:
        port = free_port()
        server = NameServer(one)
        await server.start_on(LOOPBACK, port)
        query = dns.message.make_query("zoom.us", "A")
        ask = dns.asyncquery.udp if how == "udp" else dns.asyncquery.tcp
        response = await ask(query, LOOPBACK, timeout=5, port=port)
        assert addresses_in(response) == (["198.51.100.1"], 60)
        await server.close()

    asyncio.run(dialogue())


def test_a_long_answer_is_truncated_on_udp_and_whole_on_tcp() -> None:
    async def dialogue() -> None:
        port = free_port()
        server = NameServer(many)
        await server.start_on(LOOPBACK, port)
        query = dns.message.make_query("zoom.us", "A", use_edns=0, payload=4096)
        short = await dns.asyncquery.udp(query, LOOPBACK, timeout=5, port=port)
        assert short.flags & dns.flags.TC
        assert len(short.to_wire()) <= nameserver.UDP_BYTES_MOST
        whole, used_tcp = await dns.asyncquery.udp_with_fallback(query, LOOPBACK, timeout=5, port=port)
        assert used_tcp
        assert len(addresses_in(whole)[0]) == 199
        await server.close()

    asyncio.run(dialogue())


def test_nonsense_is_ignored_and_the_next_question_answered() -> None:
    async def dialogue() -> None:
        port = free_port()
        server = NameServer(one)
        await server.start_on(LOOPBACK, port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rude:
            for nonsense in (
                b"",
                b"x",
                b"\xff" * 600,
                dns.message.make_response(dns.message.make_query("a", "A")).to_wire(),
            ):
                rude.sendto(nonsense, (LOOPBACK, port))
        _, writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(b"\x00\x05abcde")
        response = await dns.asyncquery.udp(
            dns.message.make_query("zoom.us", "A"), LOOPBACK, timeout=5, port=port
        )
        assert addresses_in(response)[0] == ["198.51.100.1"]
        writer.close()
        await server.close()

    asyncio.run(dialogue())


def test_a_flood_does_not_grow_without_bound() -> None:
    async def dialogue() -> None:
        port = free_port()
        release = asyncio.Event()
        seen = 0

        async def slow(query: dns.message.Message) -> dns.message.Message:
            nonlocal seen
            seen += 1
            await release.wait()
            return refusal(query)

        server = NameServer(slow)
        await server.start_on(LOOPBACK, port)
        wire = dns.message.make_query("zoom.us", "A").to_wire()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
            for _ in range(nameserver.AT_ONCE_MOST + 50):
                flood.sendto(wire, (LOOPBACK, port))
                await asyncio.sleep(0)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert seen <= nameserver.AT_ONCE_MOST
        release.set()
        await server.close()

    asyncio.run(dialogue())


def test_a_port_in_use_is_said() -> None:
    async def dialogue() -> None:
        port = free_port()
        first, second = NameServer(one), NameServer(one)
        await first.start_on(LOOPBACK, port)
        with pytest.raises(PortInUseError):
            await second.start_on(LOOPBACK, port)
        await first.close()

    asyncio.run(dialogue())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_question_or_malformed(wire: bytes) -> None:
    try:
        assert len(read_query(wire).question) == 1
    except MalformedQueryError:
        return


@given(st.data())
def test_a_damaged_question_is_a_question_or_malformed(data: st.DataObject) -> None:
    wire = bytearray(dns.message.make_query("www.zoom.us", "A", use_edns=0, want_dnssec=True).to_wire())
    for _ in range(data.draw(st.integers(1, 8))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_query(bytes(wire[: data.draw(st.integers(0, len(wire)))]))
    except MalformedQueryError:
        return


def test_an_alias_is_followed_and_a_stranger_is_not() -> None:
    query = dns.message.make_query("zoom.us", "A")
    response = dns.message.make_response(query)
    response.answer += [
        dns.rrset.from_text("zoom.us.", 300, "IN", "CNAME", "edge.example."),
        dns.rrset.from_text("edge.example.", 30, "IN", "A", "198.51.100.1", "198.51.100.2"),
        dns.rrset.from_text("other.example.", 30, "IN", "A", "198.51.100.9"),
    ]
    assert addresses_in(response) == (["198.51.100.1", "198.51.100.2"], 30)
    assert addresses_in(refusal(query)) == ([], 0)


def test_nobody_to_ask_is_a_failure_not_an_exception() -> None:
    query = dns.message.make_query("zoom.us", "A")
    response = asyncio.run(nameserver.ask(query, []))
    assert (response.rcode(), response.id) == (dns.rcode.SERVFAIL, query.id)
