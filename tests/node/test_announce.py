"""The directory inside the tunnel: asked for, answered, and nothing else read."""

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.errors import MalformedDocumentError, MalformedQueryError, PortInUseError
from carnet.node.announce import Announcer, fetch_newer, read_request, read_response

LOOPBACK = "127.78.1.2"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def test_a_newer_directory_is_given_and_an_old_one_is_not() -> None:
    document = b"x" * 200_000

    async def dialogue() -> None:
        port = free_port()
        announcer = Announcer(lambda: (7, document))
        await announcer.start_on(LOOPBACK, port)
        assert await fetch_newer(LOOPBACK, port, 6) == document
        assert await fetch_newer(LOOPBACK, port, 7) is None
        announcer.close()
        assert await fetch_newer(LOOPBACK, port, 6) is None

    asyncio.run(dialogue())


def test_a_rude_asker_is_told_and_the_next_one_served() -> None:
    async def dialogue() -> None:
        port = free_port()
        announcer = Announcer(lambda: (7, b"document"))
        await announcer.start_on(LOOPBACK, port)
        for rude in (b"GET /etc/passwd HTTP/1.0\r\n\r\n", b"x" * 5000):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(rude)
            writer.write_eof()
            assert b"200" not in await reader.read()
            writer.close()
        assert await fetch_newer(LOOPBACK, port, 0) == b"document"
        with pytest.raises(PortInUseError):
            await Announcer(lambda: (1, b"")).start_on(LOOPBACK, port)
        announcer.close()

    asyncio.run(dialogue())


def test_an_answer_without_end_is_cut() -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"HTTP/1.0 200 OK\r\n\r\n" * 4096)
                await writer.drain()
        except ConnectionError:
            writer.close()

    async def dialogue() -> None:
        port = free_port()
        server = await asyncio.start_server(endless, LOOPBACK, port)
        with pytest.raises(MalformedDocumentError):
            await fetch_newer(LOOPBACK, port, 0)
        server.close()
        # The other end notices in its own time that nobody listens.
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            await task

    asyncio.run(dialogue())


@pytest.mark.parametrize(
    ("head", "version"), [(b"GET /directory HTTP/1.0\r\n", 0), (b"GET /directory?after=12 HTTP/1.1\r\n", 12)]
)
def test_requests_read(head: bytes, version: int) -> None:
    assert read_request(head) == version


@given(st.binary(max_size=100))
def test_any_bytes_are_a_request_or_malformed(head: bytes) -> None:
    with pytest.raises(MalformedQueryError):
        read_request(b"x" + head)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_response_or_malformed(response: bytes) -> None:
    with pytest.raises(MalformedDocumentError):
        read_response(b"x" + response)
    assert read_response(b"HTTP/1.0 200 OK\r\n\r\n" + response) == response
