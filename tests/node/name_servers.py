"""Stands for the resolvers of the world: answers DNS on one address, logs each question on standard error.

Run inside a namespace: `python -m tests.node.name_servers ADDRESS NAME=ADDRESS ...`.
"""

import asyncio
import sys

import dns.message
import dns.rcode
import dns.rrset

from carnet.node.nameserver import NameServer, refusal


async def serve(address: str, known: dict[str, list[str]]) -> None:
    async def answer(query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        name = question.name.to_text().removesuffix(".")
        sys.stderr.write(f"{name}\n")
        sys.stderr.flush()
        if name not in known:
            return refusal(query, dns.rcode.NXDOMAIN)
        response = dns.message.make_response(query)
        kind = question.rdtype.name
        for value in known[name]:
            if (":" in value) == (kind == "AAAA") and kind in ("A", "AAAA"):
                response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, value))
        return response

    server = NameServer(answer)
    await server.start_on(address, 53)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    listed: dict[str, list[str]] = {}
    for word in sys.argv[2:]:
        name, _, value = word.partition("=")
        listed.setdefault(name, []).append(value)
    asyncio.run(serve(sys.argv[1], listed))
