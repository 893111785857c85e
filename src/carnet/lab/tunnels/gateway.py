"""What a stock VPN's campus end needs besides the VPN: to forward, and to put its address for the student's.

The same for every peer we compare with, and no more than their own manuals ask for.
"""

from carnet.lab.stage import Stage


async def forward(stage: Stage, interface: str) -> None:
    """Let what comes in by `interface` on the campus out to its network."""
    campus = stage.world.only("campus").name
    await stage.run(campus, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    rules = (
        "add table ip gateway; "
        "add chain ip gateway out { type nat hook postrouting priority 100; }; "
        f'add rule ip gateway out oifname != "{interface}" masquerade'
    )
    await stage.run(campus, "nft", rules)


async def address(stage: Stage, host: str, interface: str, address: str, mtu_bytes: int) -> None:
    """Give a tunnel's interface its address and bring it up."""
    await stage.run(host, "ip", "address", "add", address, "dev", interface)
    await stage.run(host, "ip", "link", "set", interface, "mtu", str(mtu_bytes), "up")
