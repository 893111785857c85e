"""The classroom server of the scenarios: names, web and media, each by a thread on the classroom's host."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import dns.message
import dns.rrset

from tests.scenarios.scene import Scene

NAME_PORT: Final = 53
WEB_PORT: Final = 8080
MEDIA_PORT: Final = 5004

PUBLIC: Final = "8.8.4.4"
"""Whatever name is asked for is at a public address: the campus refuses to open any other."""

PATIENCE_S: Final = 120.0
"""For a whole transfer, a stall of its way included."""
_TICK_S: Final = 0.2


@contextmanager
def opened(scene: Scene, host: str = "classroom") -> Iterator[None]:
    """Answer on a host until the end: names and media on UDP, the web on TCP."""
    stop = threading.Event()
    web = scene.listener(host, WEB_PORT)
    web.settimeout(_TICK_S)
    work: list[tuple[socket.socket, Callable[[socket.socket, threading.Event], None]]] = [
        (scene.udp(host, NAME_PORT), _names),
        (scene.udp(host, MEDIA_PORT), _echo),
        (web, _web),
    ]
    threads = [threading.Thread(target=act, args=(one, stop)) for one, act in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for one, _ in work:
            one.close()


def _names(one: socket.socket, stop: threading.Event) -> None:
    one.settimeout(_TICK_S)
    while not stop.is_set():
        with suppress(TimeoutError):
            query, asker = one.recvfrom(4096)
            question = dns.message.from_wire(query)
            answer = dns.message.make_response(question)
            name = question.question[0].name
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "A", PUBLIC))
            one.sendto(answer.to_wire(), asker)


def _echo(one: socket.socket, stop: threading.Event) -> None:
    one.settimeout(_TICK_S)
    while not stop.is_set():
        with suppress(TimeoutError):
            datagram, sender = one.recvfrom(4096)
            one.sendto(datagram, sender)


def _web(one: socket.socket, stop: threading.Event) -> None:
    threads = []
    while not stop.is_set():
        with suppress(TimeoutError):
            connection, _ = one.accept()
            threads.append(threading.Thread(target=_answer, args=(connection,)))
            threads[-1].start()
    for thread in threads:
        thread.join()


def _answer(connection: socket.socket) -> None:
    """Answer one request: `GET /NUMBER` gives so many octets, anything else its own header and body back."""
    with connection, suppress(OSError):
        connection.settimeout(PATIENCE_S)
        head, body = _request(connection)
        target = head.split(b" ")[1].removeprefix(b"/")
        content = bytes(int(target)) if target.isdigit() else head + body
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)


def _request(connection: socket.socket) -> tuple[bytes, bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            while len(body) < int(value):
                body += connection.recv(65536)
    return head, body


def fetch(scene: Scene, octets: int, target: tuple[str, int], host: str = "student") -> int:
    """Download so many octets by HTTP; return how many arrived."""
    with scene.tcp(host, target) as connection:
        connection.settimeout(PATIENCE_S)
        connection.sendall(b"GET /%d HTTP/1.0\r\n\r\n" % octets)
        received = bytearray()
        while chunk := connection.recv(1 << 18):
            received += chunk
    return len(bytes(received).partition(b"\r\n\r\n")[2])


def store(scene: Scene, octets: int, target: tuple[str, int], host: str = "student") -> int:
    """Upload so many octets by HTTP; return how many the classroom gave back."""
    with scene.tcp(host, target) as connection:
        connection.settimeout(PATIENCE_S)
        body = bytes(octets)
        sender = threading.Thread(
            target=connection.sendall,
            args=(b"PUT /x HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % octets + body,),
        )
        sender.start()
        received = bytearray()
        while chunk := connection.recv(1 << 18):
            received += chunk
        sender.join()
    _, _, answer = bytes(received).partition(b"\r\n\r\n")
    return answer.count(0)
