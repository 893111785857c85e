"""Notes every media packet of a WebRTC call as it leaves and as it arrives.

The only file that reaches behind aiortc's public face, because that face shows neither packets nor their
times: it wraps the sending of a transport and the receiving of a receiver on the instances of one call, and
puts a queue's end in the place of the decoder, so that a call costs no more than its packets.
"""

import asyncio
import queue
import threading
import time
from typing import Any, Final

from aiortc import RTCRtpReceiver, RTCRtpSender, rtcrtpreceiver
from aiortc.rtp import RtpPacket, is_rtcp

from carnet.lab.trace import AUDIO, VIDEO, TraceWriter

_RTP_HEADER_BYTES: Final = 12
_MEDIA: Final = {"audio": AUDIO, "video": VIDEO}


def keep_undecoded() -> None:
    """Let received frames go undecoded: what counts here is whether they came whole, and when."""
    rtcrtpreceiver.decoder_worker = _swallow


def _swallow(
    loop: asyncio.AbstractEventLoop,
    input_q: "queue.Queue[Any]",
    output_q: "asyncio.Queue[Any]",
    decode_error: threading.Event,  # noqa: ARG001  # the signature is aiortc's
) -> None:
    while input_q.get() is not None:
        pass
    asyncio.run_coroutine_threadsafe(output_q.put(None), loop)


def tap_senders(senders: list[RTCRtpSender], trace: TraceWriter) -> None:
    """Note what the senders of one call (all on one transport) send from now on."""
    first = {sender._ssrc: _MEDIA[sender.kind] for sender in senders}  # noqa: SLF001
    again = {sender._rtx_ssrc: _MEDIA[sender.kind] for sender in senders}  # noqa: SLF001
    transport = senders[0].transport
    send = transport._send_rtp  # noqa: SLF001

    async def noted(data: bytes) -> None:
        if not is_rtcp(data):
            source = int.from_bytes(data[8:12], "big")
            start = _payload_start(data)
            sequence, stamp = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:8], "big")
            if source in first:
                trace.add(time.monotonic_ns(), first[source], 0, len(data) - start, sequence, stamp)
            elif source in again:
                # RFC 4588 s4: the first two octets of a retransmission are its original sequence number.
                original = int.from_bytes(data[start : start + 2], "big")
                trace.add(time.monotonic_ns(), again[source], 1, len(data) - start - 2, original, stamp)
        await send(data)

    transport._send_rtp = noted  # type: ignore[method-assign]  # noqa: SLF001


def _payload_start(data: bytes) -> int:
    """Return where the payload of an RTP packet starts (RFC 3550 s5.1: sources, then one extension)."""
    start = _RTP_HEADER_BYTES + 4 * (data[0] & 0x0F)
    if data[0] & 0x10:
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    return start


def tap_receiver(
    receiver: RTCRtpReceiver, kind: str, retransmission_types: set[int], trace: TraceWriter
) -> None:
    """Note what one receiver gets from now on; `retransmission_types` are the payload types of RFC 4588."""
    handle = receiver._handle_rtp_packet  # noqa: SLF001
    medium = _MEDIA[kind]

    async def noted(packet: RtpPacket, arrival_time_ms: int) -> None:
        payload, sequence = packet.payload, packet.sequence_number
        if packet.payload_type in retransmission_types and len(payload) >= 2:
            original = int.from_bytes(payload[:2], "big")
            trace.add(time.monotonic_ns(), medium, 1, len(payload) - 2, original, packet.timestamp)
        else:
            trace.add(time.monotonic_ns(), medium, 0, len(payload), sequence, packet.timestamp)
        await handle(packet, arrival_time_ms)

    receiver._handle_rtp_packet = noted  # type: ignore[method-assign]  # noqa: SLF001
