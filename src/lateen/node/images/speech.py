"""What an image's application speaks on its ports: facts that do not depend on a lab. Pure.

Predictions need them, `lateen images` lists them, and the stand-ins are started with them, so that
what is told of an image and what its stand-in does cannot differ.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

First = Literal["client", "server"]


class Speech(msgspec.Struct, frozen=True):
    """How the program of an image talks, whichever port it is given."""

    http: tuple[str, ...] = ("1.1",)
    """Versions of HTTP that a port without TLS takes; empty where it is not HTTP. `2` is HTTP/2
    by prior knowledge, which few programs take without TLS."""
    alpn: tuple[str, ...] = ("h2", "http/1.1")
    """Protocols that a port with TLS chooses from (RFC 7301)."""
    strict_alpn: bool = True
    """Ends a handshake whose offer has none of them (alert 120); else it goes on without one."""
    first: First = "client"
    """Who sends the first bytes of a connection."""
    differs: str = ""
    """What the stand-in does otherwise than the image, in a few words."""


class AppPort(msgspec.Struct, frozen=True):
    """A TCP port that an application listens on, and what it speaks there."""

    port: int
    tls: bool = False
    http: tuple[str, ...] = ("1.1",)
    """Versions of HTTP taken here; empty where it is not HTTP."""
    alpn: tuple[str, ...] = ()
    strict_alpn: bool = False
    first: First = "client"
    bind: str = "0.0.0.0"
    """The address it is bound to: `127.0.0.1` is reached from within the pod alone."""

    @property
    def words(self) -> str:
        """The port in words: `HTTP/1.1 + HTTP/2 over TLS`, `TCP, the server speaks first`."""
        spoken = " + ".join(f"HTTP/{version}" for version in self.http) or "TCP"
        spoken += " over TLS" if self.tls else ""
        return spoken + (", the server speaks first" if self.first == "server" else "")


_NGINX = Speech(differs="the real nginx runs where it is installed, whatever the tag")
_KINDS: dict[str, Speech] = {
    "nginx": _NGINX,
    "nginx-demo": Speech(
        differs="a P-256 key instead of RSA; the real nginx runs where it is installed"
    ),
    "httpd": Speech(differs="one page; no configuration is read"),
    "httpbin": Speech(differs="no /image, /deny, /digest-auth; its own index page"),
    "go-httpbin": Speech(differs="no /image, /websocket, /sse; its own index page"),
    "whoami": Speech(differs="no /data, /echo (WebSocket), TLS by flags"),
    "echo-json": Speech(differs="no file or custom header commands"),
    "echo-text": Speech(http=("1.1", "2"), differs="no WebSocket, no server-sent events"),
    "echo-k8s": Speech(),
    "echo-mendhak": Speech(alpn=("http/1.1",), differs="no JWT decoding"),
    "text": Speech(),
    "hello-app": Speech(),
    "helloworld": Speech(differs="spends no CPU before it answers"),
    "bookinfo-details": Speech(differs="asks no external book service"),
    "bookinfo-ratings": Speech(),
    "bookinfo-reviews": Speech(differs="its own words for the two reviews"),
    "bookinfo-productpage": Speech(differs="plain pages without style sheets"),
    "ext-authz": Speech(differs="a check's attributes are not echoed in full"),
    "ext-authz-grpc": Speech(http=("2",)),
    "jwt-server": Speech(),
    "fortio": Speech(
        differs="no user interface, no gRPC, no result files; load and curl by HTTP/1.1"
    ),
    "tcp-echo": Speech(http=()),
    "external-tls": Speech(
        alpn=(), strict_alpn=False, differs="Lateen's own: ends TLS before an external host's image"
    ),
    "gateway-echo": Speech(differs="one certificate of a client's chain is told"),
    "gateway-echo-h2c": Speech(http=("1.1", "2")),
    "gateway-echo-grpc": Speech(http=("2",), alpn=("h2",), differs="no reflection"),
    "gateway-echo-tcp": Speech(
        http=(), alpn=(), strict_alpn=False, first="server", differs="no TLS curve is told"
    ),
    "mesh-echo": Speech(http=("1.1", "2"), differs="no forwarding by gRPC, no WebSocket, no QUIC"),
    "mesh-echo-grpc": Speech(http=("2",)),
    "mesh-echo-tcp": Speech(http=()),
    "coredns": Speech(http=(), differs="`whoami` alone, over UDP alone"),
    "mongod": Speech(http=(), differs="one collection, to be read"),
    "mysqld": Speech(http=(), first="server", differs="one table, to be read"),
}

SPEECH: Mapping[str, Speech] = MappingProxyType(_KINDS)
"""How each kind of stand-in talks, as the program does that it stands in for."""


def plaintext(kind: str, port: int, bind: str = "0.0.0.0") -> AppPort:
    """Return a port without TLS of a program of this kind."""
    speech = SPEECH[kind]
    return AppPort(port, http=speech.http, first=speech.first, bind=bind)


def secured(kind: str, port: int, bind: str = "0.0.0.0") -> AppPort:
    """Return a port with TLS of a program of this kind."""
    speech = SPEECH[kind]
    http = tuple(sorted(name.removeprefix("http/").replace("h2", "2") for name in speech.alpn))
    return AppPort(
        port, tls=True, http=http, alpn=speech.alpn, strict_alpn=speech.strict_alpn, bind=bind
    )
