"""Which clients are tried, in which versions, and against which gateways.

What lives here: pinned packages of the public registries. They are installed into throw-away
folders, run, and removed; none of them is part of this project. What must not: how they are
installed (`environments.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

#: Server versions at which a message of the simulated broker changes its layout, and both ends.
SERVER_VERSIONS = (157, 158, 160, 162, 163, 164, 166, 169, 170, 176, 177, 178)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client of the TWS protocol.

    Attributes:
        name: Name of its package.
        version: Version that is installed.
        origin: `pypi`, `npm`, or `here` when it is a dependency of this project.
        program: Module in `programs/` that drives it, or its JavaScript file.
        module: What the program is told to load.
        highest: Highest server version it asks for, up to the highest the gateway offers.
        also: Further packages it needs and does not declare.
        about: What a reader has to know about where it comes from.
    """

    name: str
    version: str
    origin: str
    program: str
    module: str
    highest: int = SERVER_VERSIONS[-1]
    also: tuple[str, ...] = ()
    about: str = ""

    def gateways(self) -> tuple[int, ...]:
        """Return the gateway versions to try: each it knows, and the newest to negotiate down."""
        return tuple(v for v in SERVER_VERSIONS if v <= self.highest or v == SERVER_VERSIONS[-1])


CLIENTS = (
    Client(
        name="ib_async",
        version="2.1.0",
        origin="here",
        program="asyncio_client",
        module="ib_async",
        about="the client this project reads with",
    ),
    Client(
        name="ib_insync",
        version="0.9.86",
        origin="pypi",
        program="asyncio_client",
        module="ib_insync",
        highest=176,
        about="its predecessor, no longer maintained",
    ),
    Client(
        name="ibapi",
        version="9.81.1.post1",
        origin="pypi",
        program="official_client",
        module="ibapi",
        highest=157,
        about="Interactive Brokers' own client, the last one on PyPI under this name",
    ),
    Client(
        name="nautilus_ibapi",
        version="10.46.1",
        origin="pypi",
        program="official_client",
        module="nautilus_ibapi",
        # Its messages since server version 201 are protobuf, which it loads but does not declare.
        also=("protobuf==6.33.6",),
        about="Interactive Brokers' own client 10.46, published by the NautilusTrader project; "
        "loaded with protobuf, which it needs and does not declare",
    ),
    Client(
        name="@stoqey/ib",
        version="1.6.10",
        origin="npm",
        program="stoqey_client.js",
        module="@stoqey/ib",
        about="a client for Node.js",
    ),
)
