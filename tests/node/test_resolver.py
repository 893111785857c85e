"""The campus' resolver and the student's stub: who is asked what, and what is opened."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from carnet.errors import GatewayError
from carnet.node import resolver as resolver_module
from carnet.node import split as split_module
from carnet.node.resolver import Resolver, upstream_servers
from carnet.node.split import SplitNames, Stub
from carnet.node.undo import MARK, Journal
from carnet.tunnel.service import NameList, Service

NAMES = NameList([Service("zoom", (), (), ("*.zoom.us",))])


class Upstream:
    """Stands for other resolvers: remembers what it was asked."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    async def ask(self, query: dns.message.Message, servers: Sequence[str]) -> dns.message.Message:
        self.asked.append((query.question[0].name.to_text(), tuple(servers)))
        response = dns.message.make_response(query)
        if self.addresses:
            response.answer.append(
                dns.rrset.from_text_list(query.question[0].name, 60, "IN", "A", list(self.addresses))
            )
        return response


class Opened:
    """Stands for the gateway: remembers what was opened."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.opened: list[tuple[str, list[str], int]] = []
        self._refuses = refuses

    def admit(self, service: str, found: list[str], ttl_s: int, now: float) -> None:
        if self._refuses:
            raise GatewayError("no")
        self.opened.append((service, found, ttl_s))


def answer(gateway: Any, name: str, kind: str = "A") -> dns.message.Message:
    made = Resolver(gateway, lambda: NAMES, ["192.0.2.53"])
    return asyncio.run(made.answer(dns.message.make_query(name, kind)))


def test_a_class_name_is_opened_before_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    upstream, gateway = Upstream("170.114.0.1"), Opened()
    monkeypatch.setattr(resolver_module, "ask", upstream.ask)
    response = answer(gateway, "us02.zoom.us")
    assert response.rcode() == dns.rcode.NOERROR
    assert gateway.opened == [("zoom", ["170.114.0.1"], 60)]
    assert upstream.asked == [("us02.zoom.us.", ("192.0.2.53",))]


@pytest.mark.parametrize("name", ["example.com", "zoom.us", "zoom.us.example.com"])
def test_any_other_name_is_refused_unasked(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    upstream, gateway = Upstream("170.114.0.1"), Opened()
    monkeypatch.setattr(resolver_module, "ask", upstream.ask)
    assert answer(gateway, name).rcode() == dns.rcode.REFUSED
    assert (upstream.asked, gateway.opened) == ([], [])


def test_a_name_that_points_inside_the_campus_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Opened()
    monkeypatch.setattr(resolver_module, "ask", Upstream("170.114.0.1", "10.0.0.5").ask)
    response = answer(gateway, "evil.zoom.us")
    assert (response.rcode(), response.answer, gateway.opened) == (dns.rcode.REFUSED, [], [])


def test_records_with_addresses_of_their_own_are_not_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = Upstream()
    monkeypatch.setattr(resolver_module, "ask", upstream.ask)
    response = answer(Opened(), "us02.zoom.us", "HTTPS")
    assert (response.rcode(), response.answer, upstream.asked) == (dns.rcode.NOERROR, [], [])


def test_a_campus_without_ipv6_gives_out_none(monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = Upstream("170.114.0.1")
    monkeypatch.setattr(resolver_module, "ask", upstream.ask)
    made = Resolver(Opened(), lambda: NAMES, ["192.0.2.53"], ipv6=False)  # type: ignore[arg-type]
    response = asyncio.run(made.answer(dns.message.make_query("us02.zoom.us", "AAAA")))
    assert (response.rcode(), response.answer, upstream.asked) == (dns.rcode.NOERROR, [], [])
    assert asyncio.run(made.answer(dns.message.make_query("us02.zoom.us", "A"))).answer


def test_what_cannot_be_opened_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "ask", Upstream("170.114.0.1").ask)
    response = answer(Opened(refuses=True), "us02.zoom.us")
    assert (response.rcode(), response.answer) == (dns.rcode.SERVFAIL, [])


def test_the_stub_asks_the_campus_for_class_names_and_the_others_for_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upstream = Upstream("170.114.0.1")
    monkeypatch.setattr(split_module, "ask", upstream.ask)
    routed: list[tuple[str, list[str]]] = []

    async def found(service: str, addresses: list[str]) -> None:
        routed.append((service, addresses))

    async def dialogue() -> None:
        stub = Stub("10.78.0.1", lambda: NAMES, found)
        stub.others = ["192.0.2.53"]
        await stub.answer(dns.message.make_query("us02.zoom.us", "A"))
        await stub.answer(dns.message.make_query("example.com", "A"))
        hint = await stub.answer(dns.message.make_query("us02.zoom.us", "HTTPS"))
        assert hint.answer == []

    asyncio.run(dialogue())
    assert upstream.asked == [("us02.zoom.us.", ("10.78.0.1",)), ("example.com.", ("192.0.2.53",))]
    assert routed == [("zoom", ["170.114.0.1"])]


def test_resolv_conf_is_read_as_the_c_library_does() -> None:
    text = (
        "# c\nsearch a\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n"
        " nameserver 192.0.2.3 # x\nnameserver x\nnameserver 192.0.2.4"
    )
    assert upstream_servers(text) == ["192.0.2.1", "2001:db8::1", "192.0.2.3"]
    assert upstream_servers("") == []


def test_where_systemd_resolved_runs_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool, told = tmp_path / "bin" / "resolvectl", tmp_path / "told"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    stub_file = tmp_path / "resolve" / "stub-resolv.conf"
    stub_file.parent.mkdir()
    stub_file.write_text("nameserver 127.0.0.53\n")
    monkeypatch.setattr(split_module, "RESOLVED_STUB", stub_file)
    conf = tmp_path / "resolv.conf"
    conf.symlink_to(stub_file)

    async def found(service: str, addresses: list[str]) -> None:
        return

    async def dialogue() -> None:
        stub = Stub("10.78.0.1", lambda: NAMES, found)
        split = SplitNames(stub, Journal(tmp_path / "undo"), "carnet0", conf)
        await split.start(["zoom.us", "zoom.com"], "127.78.9.9")
        split.check()
        await split.close()
        assert stub.others == ["127.0.0.53"]

    asyncio.run(dialogue())
    assert told.read_text().splitlines() == ["dns carnet0 127.78.9.9", "domain carnet0 ~zoom.us ~zoom.com"]
    assert conf.is_symlink()
    assert stub_file.read_text() == "nameserver 127.0.0.53\n"


def test_split_takes_over_and_gives_back(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text("search example.edu\nnameserver 192.0.2.53\n")
    before = conf.stat().st_ino

    async def found(service: str, addresses: list[str]) -> None:
        return

    async def dialogue() -> None:
        journal = Journal(tmp_path / "undo")
        stub = Stub("10.78.0.1", lambda: NAMES, found)
        split = SplitNames(stub, journal, "carnet0", conf)
        await split.start(["zoom.us"], "10.78.0.2")
        assert stub.others == ["192.0.2.53"]
        ours = conf.read_text()
        assert ours.splitlines()[0] == MARK
        assert "nameserver 127.78.0." in ours
        assert "search example.edu" in ours
        assert conf.stat().st_ino == before
        split.check()
        assert conf.read_text() == ours
        conf.write_text("nameserver 192.0.2.99\n")
        split.check()
        assert conf.read_text().startswith(MARK)
        assert stub.others == ["192.0.2.99"]
        await split.close()
        journal.undo()
        assert conf.read_text() == "nameserver 192.0.2.99\n"

    asyncio.run(dialogue())
