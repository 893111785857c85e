"""The directory travels inside the tunnel: served by the campus, asked for by the join.

One HTTP/1.0 exchange on the campus' tunnel address, TCP port 7878:
`GET /directory?after=VERSION` gives 200 and the signed document, or 204 if there is none newer.
"""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress

from carnet.errors import MalformedDocumentError, MalformedQueryError, PortInUseError
from carnet.seal.wire import DOCUMENT_BYTES_MOST

EXCHANGE_S = 5.0
REQUEST_BYTES_MOST = 2048
AT_ONCE_MOST = 64
_REQUEST = re.compile(rb"GET /directory(?:\?after=([0-9]{1,16}))? HTTP/1\.[01]\r\n")
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) ")


def read_request(head: bytes) -> int:
    """Return the version the asker has, 0 for none.  Raises MalformedQueryError."""
    match = _REQUEST.match(head)
    if match is None:
        raise MalformedQueryError("ask GET /directory?after=VERSION")
    return int(match[1] or 0)


def read_response(response: bytes) -> bytes | None:
    """Return the document in a response, None if there is none newer.  Raises MalformedDocumentError."""
    head, blank, body = response.partition(b"\r\n\r\n")
    match = _STATUS.match(head)
    if match is None or not blank or match[1] not in (b"200", b"204"):
        raise MalformedDocumentError("the campus answered something else than a directory")
    return body if match[1] == b"200" else None


class Announcer:
    """Serves the newest directory to whoever is inside the tunnel."""

    def __init__(self, newest: Callable[[], tuple[int, bytes]]) -> None:
        self._newest = newest
        self._server: asyncio.Server | None = None
        self._busy = 0

    async def start_on(self, address: str, port: int) -> None:
        """Listen.  Raises PortInUseError."""
        try:
            self._server = await asyncio.start_server(self._serve, address, port, limit=REQUEST_BYTES_MOST)
        except OSError as error:
            raise PortInUseError(f"directory on {address} port {port}: {error.strerror}") from error

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._busy += 1
        try:
            if self._busy <= AT_ONCE_MOST:
                await self._exchange(reader, writer)
        finally:
            self._busy -= 1
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(EXCHANGE_S):
                writer.write(self._response(await reader.readuntil(b"\r\n\r\n")))
                await writer.drain()

    def _response(self, head: bytes) -> bytes:
        try:
            after = read_request(head)
        except MalformedQueryError as error:
            return b"HTTP/1.0 400 Bad Request\r\n\r\n%s\n" % str(error).encode()
        version, document = self._newest()
        if version <= after:
            return b"HTTP/1.0 204 No Content\r\n\r\n"
        kind = b"Content-Type: text/plain\r\nContent-Length: %d\r\n" % len(document)
        return b"HTTP/1.0 200 OK\r\n%s\r\n%s" % (kind, document)


async def fetch_newer(address: str, port: int, version: int) -> bytes | None:
    """Ask the campus for a directory newer than `version`; None if there is none or it does not answer.

    Raises:
        MalformedDocumentError: it answers something else.
    """
    try:
        async with asyncio.timeout(EXCHANGE_S):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(b"GET /directory?after=%d HTTP/1.0\r\n\r\n" % version)
                response = await _read_all(reader)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    return read_response(response)


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    response = bytearray()
    while chunk := await reader.read(65536):
        response += chunk
        if len(response) > DOCUMENT_BYTES_MOST + REQUEST_BYTES_MOST:
            raise MalformedDocumentError("the campus' answer does not end")
    return bytes(response)
