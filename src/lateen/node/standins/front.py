"""Stands before a program that speaks no TLS: ends TLS, or takes another port, and passes bytes on.

    python -m lateen.node.standins.front --to PORT [--port N] [--tls-port N --certificate FILE
        --key FILE [--alpn NAME,NAME]]

`--to` is the program's port on the loopback address. Each end of a stream is passed on as it comes.
"""

import asyncio
import contextlib
import signal
import ssl
import sys
from collections.abc import Sequence

from lateen.base.tasks import TaskGroup

_CHUNK = 64 * 1024
_ATTEMPTS, _PAUSE = 50, 0.1
"""How often, and how many seconds apart, a program that is still starting is tried."""
_FLAGS = ("--to", "--port", "--tls-port", "--certificate", "--key", "--alpn")


def options(words: Sequence[str]) -> dict[str, str]:
    """Read the command line. Raises ValueError."""
    found = dict(zip(words[::2], words[1::2], strict=False))
    if len(words) % 2 or not set(found) <= set(_FLAGS) or not found.get("--to", "").isdigit():
        raise ValueError(f"use {' '.join(f'{flag} VALUE' for flag in _FLAGS)}")
    return found


async def serve(given: dict[str, str]) -> None:
    """Serve until a signal ends it. Raises OSError."""
    target = int(given["--to"])

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await _carry(reader, writer, target)

    if port := given.get("--port"):
        await asyncio.start_server(take, "0.0.0.0", int(port))
    if port := given.get("--tls-port"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given["--certificate"], given["--key"])
        if alpn := given.get("--alpn"):
            context.set_alpn_protocols(alpn.split(","))
        await asyncio.start_server(take, "0.0.0.0", int(port), ssl=context)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    try:
        behind = await _connect(port)
    except OSError as error:
        sys.stderr.write(f"front: port {port}: {error.strerror}\n")
        writer.transport.abort()
        return
    with contextlib.closing(behind[1]):
        async with TaskGroup("front") as tasks:
            tasks.start(_pump(reader, behind[1]), "client")
            # The program has the last word: TLS has no half-closed end.
            await _pump(behind[0], writer)


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _ in range(_ATTEMPTS):
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(_PAUSE)
    return await asyncio.open_connection("127.0.0.1", port)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # a reset, or a client that ended TLS without a word
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


def main(words: list[str]) -> int:
    """Serve as the command line says."""
    try:
        asyncio.run(serve(options(words)))
    except (ValueError, OSError, KeyError) as error:
        sys.stderr.write(f"front: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
