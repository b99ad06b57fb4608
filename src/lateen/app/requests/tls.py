"""TLS of a client that says why it gives up.

asyncio closes a connection whose handshake failed without sending the alert that OpenSSL has made
of it. Every other client sends it; on the wire and in the server's log it is half of the evidence.
"""

import contextlib
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

import httpcore

_READ = 65536
Result = TypeVar("Result")


class TlsStream(httpcore.AsyncNetworkStream):
    """A TLS client's connection for httpcore, on another stream."""

    def __init__(
        self, plain: httpcore.AsyncNetworkStream, context: ssl.SSLContext, name: str | None
    ) -> None:
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    async def handshake(self, timeout: float | None) -> None:
        """Do it. Raises ssl.SSLError, with the alert sent; httpcore's errors of the stream."""
        await self._done(self.session.do_handshake, timeout)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await self._done(lambda: self.session.read(max_bytes), timeout)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except ssl.SSLError as error:
            raise httpcore.ReadError(f"TLS: {words(error)}") from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        try:
            await self._done(lambda: self.session.write(buffer), timeout)
        except ssl.SSLError as error:
            raise httpcore.WriteError(f"TLS: {words(error)}") from error

    async def aclose(self) -> None:
        with contextlib.suppress(ssl.SSLError):
            self.session.unwrap()
        with contextlib.suppress(httpcore.NetworkError, httpcore.TimeoutException):
            await self._flush(None)
        await self._plain.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self.session if info == "ssl_object" else self._plain.get_extra_info(info)

    async def _done(self, step: Callable[[], Result], timeout: float | None) -> Result:
        """Take a step as often as it wants to read first; what it has to say is sent each time."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush(timeout)
                data = await self._plain.read(_READ, timeout)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                with contextlib.suppress(httpcore.NetworkError, httpcore.TimeoutException):
                    await self._flush(timeout)
                raise
            else:
                await self._flush(timeout)
                return result

    async def _flush(self, timeout: float | None) -> None:
        await self._plain.write(self._outgoing.read(), timeout)


def words(error: ssl.SSLError) -> str:
    """Return why TLS failed, in plain words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError):
        return "connection closed by the other side"
    return (error.reason or str(error)).replace("_", " ").lower()
