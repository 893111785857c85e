"""Routes and pins in a namespace: ours win and lose where they should, and go away."""

import sys
from pathlib import Path

from tests.node.places import inside, namespaces, needs_root, place, run, wire

PLACE, OTHER = place("nl"), place("nm")
SCRIPT = """
import asyncio, sys
from pathlib import Path
from carnet.node.netlink import Netlink, Hop
from carnet.node.undo import Journal, run_tool
from carnet.errors import GatewayError
def routes(*more): print(run_tool(["ip", *more, "route"]).decode(), end="")
async def main():
    journal = Journal(Path(sys.argv[1]))
    async with Netlink() as netlink:
        index = await netlink.bring_up("tun", ["10.78.0.2/32", "fd00::2/128"], 1376)
        for network in ("203.0.113.0/24", "203.0.113.0/24", "192.0.2.0/24", "2001:db8::/48"):
            assert await netlink.route_into(index, network, None)
        print("=into"); routes(); routes("-6")
        out = await netlink.index("out")
        print("=outside", await netlink.hop_outside("203.0.113.7", index) == Hop("198.51.100.2", out))
        print(await netlink.hop_outside("198.51.100.9", index) == Hop(None, out))
        print(await netlink.hop_outside("2001:db8::9", index))
        print(await netlink.has_default(2), await netlink.has_default(10))
        hop = await netlink.hop_outside("203.0.113.7", index)
        await netlink.pin(journal, "203.0.113.7", hop)
        print("=pinned", run_tool(["ip", "route", "get", "203.0.113.7"]).decode().splitlines()[0])
        await netlink.unpin("203.0.113.7"); await netlink.unpin("203.0.113.7")
        print("=unpinned", run_tool(["ip", "route", "get", "203.0.113.7"]).decode().splitlines()[0])
        await netlink.unroute(index, "203.0.113.0/24"); await netlink.unroute(index, "203.0.113.0/24")
        print("=gone"); routes()
        try:
            await netlink.index("none")
        except GatewayError as error:
            print("=error", error)
    journal.undo()
asyncio.run(main())
"""


@needs_root
def test_routes(tmp_path: Path) -> None:
    with namespaces(PLACE, OTHER):
        wire(PLACE, OTHER, left_address="192.0.2.1/24", right_address="192.0.2.2/24", name="lan")
        wire(PLACE, OTHER, left_address="198.51.100.1/24", right_address="198.51.100.2/24", name="out")
        run("ip", "link", "add", "tun", "netns", PLACE, "type", "veth", "peer", "name", "tun", "netns", OTHER)
        run("ip", "-n", OTHER, "link", "set", "tun", "up")
        run("ip", "-n", PLACE, "route", "add", "default", "via", "198.51.100.2")
        said = inside(PLACE, sys.executable, "-c", SCRIPT, str(tmp_path / "undo"))
    into, outside, pinned, unpinned, gone, error = said.stdout.split("=")[1:]
    assert into.count("203.0.113.0/24 dev tun proto 178") == 1
    assert "2001:db8::/48 dev tun proto 178 metric 2000" in into
    # The network the machine is in keeps its own route in front of ours.
    assert "192.0.2.0/24 dev lan" in into
    assert outside.split() == ["outside", "True", "True", "None", "True", "False"]
    assert "via 198.51.100.2 dev out" in pinned
    assert "dev tun" in unpinned
    assert "203.0.113" not in gone
    assert error.strip() == "error no interface none"


@needs_root
def test_no_ipv6_is_no_fault(tmp_path: Path) -> None:
    with namespaces(PLACE, OTHER):
        wire(PLACE, OTHER, left_address="192.0.2.1/24", right_address="192.0.2.2/24", name="tun")
        inside(PLACE, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        script = SCRIPT.split("async def main", maxsplit=1)[0] + (
            "async def main():\n"
            "    async with Netlink() as netlink:\n"
            "        index = await netlink.bring_up('tun', ['10.78.0.2/32', 'fd00::2/128'], 1376)\n"
            "        print(await netlink.route_into(index, '2001:db8::/48', None))\n"
            "        print(await netlink.route_into(index, '203.0.113.0/24', None))\n"
            "asyncio.run(main())\n"
        )
        said = inside(PLACE, sys.executable, "-c", script, str(tmp_path / "undo"))
    assert said.stdout.split() == ["False", "True"]
