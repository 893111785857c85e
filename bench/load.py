"""What is sent over a tunnel under test: `python -m bench.load PROGRAM ...`, run in a namespace."""

import json
import socket
import struct
import sys
import time

CHUNK = bytes(1 << 20)
PORT = 7000
PING_BYTES = 160


def tcp_sink(address: str) -> None:
    """Take one connection and print the bits per second that came after the first second."""
    with socket.create_server((address, PORT)) as server:
        print("ready", flush=True)
        connection, _ = server.accept()
    buffer = bytearray(1 << 20)
    began, warm, octets = time.monotonic(), 0.0, 0
    with connection:
        while got := connection.recv_into(buffer):
            now = time.monotonic()
            if now - began < 1:
                warm = now
                continue
            octets += got
        print(json.dumps(octets * 8 / (now - warm)), flush=True)


def tcp_source(address: str, seconds: str) -> None:
    """Send as fast as TCP takes it."""
    end = time.monotonic() + 1 + float(seconds)
    with socket.create_connection((address, PORT), timeout=20) as connection:
        while time.monotonic() < end:
            connection.sendall(CHUNK)


def delay_sink(address: str) -> None:
    """Print the one-way delay (seconds) of each datagram, until one is empty; both ends share a clock."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, PORT))
        server.settimeout(20)
        print("ready", flush=True)
        delays = []
        while len(datagram := server.recv(2048)) > 8:
            delays.append((time.monotonic_ns() - struct.unpack_from("!Q", datagram)[0]) / 1e9)
        print(json.dumps(delays), flush=True)


def delay_source(address: str, count: str) -> None:
    """Send datagrams of the size of speech, 20 ms apart, each with its send time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for _ in range(int(count)):
            client.sendto(struct.pack("!Q", time.monotonic_ns()).ljust(PING_BYTES), (address, PORT))
            time.sleep(0.02)
        client.sendto(b"", (address, PORT))


def knock(address: str) -> None:
    """Succeed if there is a machine at the other end: it refuses a closed port."""
    try:
        socket.create_connection((address, 9), timeout=1).close()
    except ConnectionRefusedError:
        return
    except OSError as error:
        raise SystemExit(str(error)) from error


PROGRAMS = {
    "tcp-sink": tcp_sink,
    "tcp-source": tcp_source,
    "delay-sink": delay_sink,
    "delay-source": delay_source,
    "knock": knock,
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])  # type: ignore[operator]
