"""The processes of a lab: started on a host, spoken to in lines, killed without mercy when it is over."""

import asyncio
import json
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import Any, Final

from carnet.errors import WorldError
from carnet.lab.hosts import Hosts

_LINE_BYTES: Final = 1 << 20
_GRACE_S: Final = 5.0
_LAST_WORDS_BYTES: Final = 600


class Program:
    """One process on a host.  `start`, then `line`/`hear`/`tell` as it needs, then `stop` or `kill`."""

    def __init__(self, hosts: Hosts, host: str, *argv: str) -> None:
        self.host = host
        self._argv = argv
        self._hosts = hosts
        self._process: Process | None = None
        self._errors = hosts.folder / f"{host}-{id(self):x}.err"

    async def start(self) -> None:
        """Run it; also again, after it died."""
        with self._errors.open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *self._hosts.command(self.host, *self._argv),
                stdin=PIPE,
                stdout=PIPE,
                stderr=errors,
                limit=_LINE_BYTES,
            )

    async def line(self, beginning: str, patience_s: float, within: str = "") -> str:
        """Return its next line of output that starts with `beginning` and has `within` in it.

        Raises:
            WorldError: it ended or stayed silent; the message holds its last words.
        """
        output = self._running().stdout
        try:
            async with asyncio.timeout(patience_s):
                while output is not None and (raw := await output.readline()):
                    text = raw.decode("utf-8", "replace").strip()
                    if text.startswith(beginning) and within in text:
                        return text
        except TimeoutError:
            pass
        raise WorldError(
            f"{self._argv[-1]} on {self.host} did not say {beginning or within!r}: {self.last_words()}"
        )

    async def hear(self, word: str, patience_s: float) -> Any:  # noqa: ANN401
        """Return what its next JSON line says about `word`.

        Raises:
            WorldError: it ended, stayed silent or says it failed.
        """
        fact = json.loads(await self.line("{", patience_s))
        if word not in fact:
            raise WorldError(f"{self.host}: {fact.get('failed', fact)}")
        return fact[word]

    async def tell(self, **fact: object) -> None:
        """Write it one JSON line."""
        entry = self._running().stdin
        if entry is not None:
            entry.write(json.dumps(fact).encode() + b"\n")
            await entry.drain()

    async def stop(self) -> None:
        """Ask it to end and wait; kill it if it does not."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    def last_words(self) -> str:
        """Return the end of what it said on its error output."""
        if not self._errors.exists():
            return "(nothing)"
        return self._errors.read_text("utf-8", "replace")[-_LAST_WORDS_BYTES:].strip() or "(nothing)"

    def _running(self) -> Process:
        if self._process is None:
            raise WorldError(f"nothing runs on {self.host}")
        return self._process

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        try:
            process.send_signal(how)
            async with asyncio.timeout(_GRACE_S):
                await process.communicate()
        except ProcessLookupError:
            return
        except TimeoutError:
            process.kill()
            await process.wait()


async def run_to_end(hosts: Hosts, host: str, *argv: str, patience_s: float) -> str:
    """Run a command on a host; return its output.

    Raises:
        WorldError: it failed or took too long.
    """
    process = await asyncio.create_subprocess_exec(
        *hosts.command(host, *argv), stdin=DEVNULL, stdout=PIPE, stderr=PIPE, limit=_LINE_BYTES
    )
    try:
        async with asyncio.timeout(patience_s):
            said, wrong = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise WorldError(f"`{argv[-1]}` on {host} took more than {patience_s} s") from error
    if process.returncode != 0:
        raise WorldError(
            f"`{' '.join(argv[-4:])}` on {host}: {(wrong or said).decode('utf-8', 'replace').strip()}"
        )
    return said.decode("utf-8", "replace")
