"""Sockets and servers: one TLS port per imitated system, all in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import signal
import socket
from collections.abc import Callable, Iterator
from types import ModuleType

import uvicorn

from sandbox import sftp
from sandbox.certificates import Certificates
from sandbox.wire import Application, Wire
from sandbox.world import World

LOOPBACK = "localhost"
# system → module; the order is the order of ports with --port-base, the SFTP server comes last
SYSTEMS = {
    "dataverse": "sandbox.dataverse",
    "entra": "sandbox.entra",
    "campaign": "sandbox.campaign",
    "ims": "sandbox.ims",
    "controls": "sandbox.controls",
}
URL_OF = {
    "dataverse": "dataverse",
    "entra": "entra",
    "campaign": "campaign_root",
    "ims": "ims",
    "controls": "controls",
}


class PortTaken(Exception):
    """A port that was asked for is in use."""


def load_systems() -> dict[str, ModuleType]:
    """Import every system; their switches are declared by that."""
    found = {name: importlib.import_module(path) for name, path in SYSTEMS.items()}
    return {name: module for name, module in found.items() if hasattr(module, "app")}


def bind(port_base: int | None, host: str = LOOPBACK) -> dict[str, socket.socket]:
    """Listen on one port per system and one for SFTP, free ones or counted from `port_base`.

    Only on the loopback, unless clients elsewhere are to know this machine as `host`.
    """
    address = "127.0.0.1" if host == LOOPBACK else "0.0.0.0"  # noqa: S104 - asked for with --host
    sockets: dict[str, socket.socket] = {}
    for offset, name in enumerate([*SYSTEMS, "sftp"]):
        port = 0 if port_base is None else port_base + offset
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
            sock.listen(2048)
        except OSError as error:
            for other in [sock, *sockets.values()]:
                other.close()
            raise PortTaken(f"port {port} for {name} cannot be used: {error.strerror}") from None
        sockets[name] = sock
    return sockets


def fill_urls(world: World, sockets: dict[str, socket.socket]) -> None:
    for name, attribute in URL_OF.items():
        setattr(world.urls, attribute, f"https://{world.config.host}:{sockets[name].getsockname()[1]}")


async def serve(
    world: World,
    apps: dict[str, Application],
    sockets: dict[str, socket.socket],
    tls: Certificates,
    keys: sftp.Keys,
    ready: Callable[[], None],
) -> None:
    """Serve all systems until a signal arrives."""
    servers = [
        _server(app if name == "controls" else Wire(app, name, world), tls) for name, app in apps.items()
    ]
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    listening = zip(servers, apps, strict=True)
    tasks = [asyncio.create_task(one.serve([sockets[name]])) for one, name in listening]
    acceptor = await sftp.listen(world, sockets["sftp"], keys)
    while not all(server.started for server in servers):
        for task in tasks:
            if task.done():
                task.result()
        await asyncio.sleep(0.005)
    ready()
    await stopping.wait()
    for server in servers:
        server.should_exit = True
    acceptor.close()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Server(uvicorn.Server):
    """A server that leaves signals to the one who runs several of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the answers under way, then hang up, whatever clients would like to keep open."""
        for listener in self.servers:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=1)
        await asyncio.sleep(0.05)
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def _server(app: Application, tls: Certificates) -> uvicorn.Server:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        ssl_certfile=str(tls.server),
        ssl_keyfile=str(tls.key),
        http="httptools" if importlib.util.find_spec("httptools") else "h11",
        ws="none",
        loop="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        backlog=2048,
        timeout_keep_alive=75,
    )
    return _Server(config)
