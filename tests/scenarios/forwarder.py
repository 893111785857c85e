"""A relay without encryption, as a rented accelerator may be: the control of the search for canaries."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.scenarios.scene import Scene

Target = tuple[str, int]
Act = Callable[[Scene, str, socket.socket, Target, threading.Event], None]


@contextmanager
def opened(scene: Scene, host: str, *, udp: dict[int, Target], tcp: dict[int, Target]) -> Iterator[None]:
    """Forward from a host's ports to targets until the end."""
    stop = threading.Event()
    doors: list[tuple[socket.socket, Act, Target]] = []
    doors += [(scene.udp(host, port), _datagrams, target) for port, target in udp.items()]
    doors += [(scene.listener(host, port), _streams, target) for port, target in tcp.items()]
    threads = [
        threading.Thread(target=act, args=(scene, host, one, target, stop)) for one, act, target in doors
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for one, _, _ in doors:
            one.close()


def _datagrams(scene: Scene, host: str, one: socket.socket, target: Target, stop: threading.Event) -> None:
    """Forward one question at a time, and its answer back."""
    one.settimeout(0.2)
    with scene.udp(host) as far:
        while not stop.is_set():
            with suppress(TimeoutError):
                datagram, sender = one.recvfrom(4096)
                far.sendto(datagram, target)
                one.sendto(far.recv(4096), sender)


def _streams(scene: Scene, host: str, one: socket.socket, target: Target, stop: threading.Event) -> None:
    """Forward one connection at a time: its request, then its answer, until the server closes."""
    one.settimeout(0.2)
    while not stop.is_set():
        with suppress(TimeoutError):
            near, _ = one.accept()
            near.settimeout(0.05)
            with near, scene.tcp(host, target) as far:
                far.settimeout(0.05)
                _both_ways(near, far)


def _both_ways(near: socket.socket, far: socket.socket) -> None:
    while True:
        for source, sink in ((near, far), (far, near)):
            with suppress(TimeoutError):
                chunk = source.recv(65536)
                if not chunk:
                    return
                sink.sendall(chunk)
