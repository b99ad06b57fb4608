"""What curl sends and reads, as values: addresses, request heads, bodies, response heads."""

import base64
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lateen.node.standins.clients import curlwords
from lateen.node.standins.clients.curlwords import CurlWords


class CurlError(Exception):
    """A transfer that failed: curl's exit code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Address(NamedTuple):
    """A URL in its parts."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The host, and its port where it is not the scheme's own."""
        usual = 443 if self.scheme == "https" else 80
        return self.host if self.port == usual else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as curl writes it."""
        return f"{self.scheme}://{self.authority}{self.target}"


class CurlAnswer(NamedTuple):
    """A response, read whole."""

    version: str
    status: int
    head: bytes
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """Return a header's first value; `name` in lower case."""
        return next((value for each, value in self.headers if each.lower() == name), "")


def address(url: str) -> Address:
    """Take a URL apart; without a scheme it is HTTP. Raises CurlError."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        scheme, rest = "http", url
    scheme = scheme.lower()
    if scheme not in ("http", "https"):
        raise CurlError(1, f'Protocol "{scheme}" not supported')
    rest = rest.partition("#")[0]
    at = min((i for i in (rest.find("/"), rest.find("?")) if i >= 0), default=len(rest))
    host, target = rest[:at].rpartition("@")[2], rest[at:]
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        name, port = host, "443" if scheme == "https" else "80"
    if not name or not port.isdigit() or not 0 < int(port) < 65536:
        raise CurlError(
            3,
            "URL rejected: "
            + (
                "No host part in the URL"
                if not name
                else "Port number was not a decimal number between 0 and 65535"
            ),
        )
    return Address(
        scheme, name.strip("[]"), int(port), target if target.startswith("/") else f"/{target}"
    )


def redirected(words: CurlWords, asked: Address) -> tuple[str, int]:
    """Return where to connect: `--resolve` and `--connect-to` say otherwise than the URL."""
    for one in words.lists.get("connect_to", ()):
        host, port, to, to_port = [*one.split(":"), "", "", "", ""][:4]
        if host in ("", asked.host) and port in ("", str(asked.port)):
            return to or asked.host, int(to_port or asked.port)
    for one in words.lists.get("resolve", ()):
        host, port, to = [*one.lstrip("+").split(":", 2), "", ""][:3]
        if host in ("*", asked.host) and port == str(asked.port):
            return to.partition(",")[0].strip("[]"), asked.port
    return asked.host, asked.port


def body_of(words: CurlWords) -> bytes | None:
    """Return the body that the options make, or None. Raises CurlError."""
    if not words.data:
        return None
    parts = [_part(kind, value) for kind, value in words.data]
    return (b"" if words.data[0][0] == "json" else b"&").join(parts)


def _part(kind: str, value: str) -> bytes:
    if kind == "data_raw" or not value.startswith("@"):
        if kind != "data_encoded":
            return value.encode()
        name, equals, text = value.rpartition("=")
        from urllib.parse import quote

        written = quote(text, safe="").replace("%20", "+")
        return f"{name}{equals if name else ''}{written}".encode()
    try:
        if value == "@-":
            content = sys.stdin.buffer.read()
        else:
            with open(value[1:], "rb") as file:
                content = file.read()
    except OSError as error:
        raise CurlError(26, f"Failed to open {value[1:]}") from error
    return content.replace(b"\r", b"").replace(b"\n", b"") if kind == "data" else content


def request_head(words: CurlWords, asked: Address, method: str, body: bytes | None) -> bytes:
    """Return a request's line and headers with their blank line."""
    values = words.values
    fields = {"Host": asked.authority, "User-Agent": f"curl/{curlwords.VERSION}", "Accept": "*/*"}
    if "agent" in values:
        fields["User-Agent"] = values["agent"]
    if "referer" in values:
        fields["Referer"] = values["referer"]
    if "cookie" in values:
        fields["Cookie"] = values["cookie"]
    if "user" in values:
        fields["Authorization"] = "Basic " + base64.b64encode(values["user"].encode()).decode()
    if body is not None:
        fields["Content-Length"] = str(len(body))
        kind = "application/x-www-form-urlencoded"
        json = words.data[0][0] == "json"
        fields["Content-Type"] = "application/json" if json else kind
        fields["Accept"] = "application/json" if json else fields["Accept"]
    lines = list(_merged(fields, words.lists.get("headers", ())))
    version = "1.0" if "http10" in words.flags else "1.1"
    head = "\r\n".join([f"{method} {asked.target} HTTP/{version}", *lines, "", ""])
    return head.encode("utf-8", "surrogateescape")


def _merged(fields: dict[str, str], given: Sequence[str]) -> Iterator[str]:
    """Yield header lines: those of `-H` replace curl's own, `Name:` removes, `Name;` is empty."""
    own = {name.lower(): name for name in fields}
    kept, more = dict(fields), []
    for line in given:
        name, colon, value = line.partition(":")
        if not colon:
            if line.endswith(";"):
                more.append(f"{line[:-1]}:")
            continue
        replaced = own.get(name.lower())
        if not value.strip():
            kept.pop(replaced or "", None)
        elif replaced:
            kept[replaced] = value.strip()
        else:
            more.append(f"{name}: {value.strip()}")
    yield from (f"{name}: {value}" for name, value in kept.items())
    yield from more


def parsed(head: bytes) -> CurlAnswer:
    """Read a response's head. Raises CurlError for what is no HTTP/1."""
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if not parts[0].startswith("HTTP/") or len(parts) < 2 or not parts[1].isdigit():
        raise CurlError(1, "Received HTTP/0.9 when not allowed")
    pairs = (line.partition(":") for line in lines)
    headers = [(name.strip(), value.strip()) for name, _, value in pairs]
    return CurlAnswer(parts[0][5:], int(parts[1]), head, headers, b"")
