"""The images that the Gateway API's conformance suite deploys. Pure."""

import shlex
from collections.abc import Mapping
from types import MappingProxyType

from lateen.node.images import speech
from lateen.node.images.spec import ImageContext, ImageSpec, Launch
from lateen.node.images.speech import AppPort
from lateen.node.images.web import MODULE, certificate_path

_CLIENT = "/usr/local/bin/client"


def _port(ctx: ImageContext, variable: str, default: int) -> int:
    text = ctx.env.get(variable, "")
    return int(text) if text.isdigit() else default


def _echo_basic(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
    """One program that is four servers: the variables say which."""
    if ctx.env.get("GRPC_ECHO_SERVER"):
        return _grpc(ctx)
    if ctx.env.get("TCP_ECHO_SERVER"):
        return _tcp(ctx)
    if ctx.env.get("UDP_ECHO_SERVER"):
        return Launch((*ctx.python, "-m", "lateen.node.standins.udp.gatewayecho"))
    http, h2c = _port(ctx, "HTTP_PORT", 3000), _port(ctx, "H2C_PORT", 3001)
    listens = [
        speech.plaintext("gateway-echo", http),
        speech.plaintext("gateway-echo-h2c", h2c),
    ]
    argv = [*ctx.python, "-m", MODULE, "--kind", "gateway-echo"]
    argv += ["--port", str(http), "--port", str(h2c), "--h2c", str(h2c)]
    argv += ["--option", f"port={http}", "--option", f"h2c={h2c}"]
    argv += _tls(ctx, "TLS_SERVER_PRIVKEY", "gateway-echo", listens)
    return Launch(tuple(argv), listens=tuple(listens))


def _grpc(ctx: ImageContext) -> Launch:
    kind = "gateway-echo-grpc"
    port = _port(ctx, "HTTP_PORT", 3000)
    listens = [speech.plaintext(kind, port)]
    argv = [*ctx.python, "-m", MODULE, "--kind", kind, "--port", str(port), "--h2c", "yes"]
    argv += _tls(ctx, "TLS_SERVER_PRIV_KEY", kind, listens)
    return Launch(tuple(argv), listens=tuple(listens))


def _tls(ctx: ImageContext, key: str, kind: str, listens: list[AppPort]) -> list[str]:
    """Return the flags of the port with TLS, which is there where a certificate is, and add it."""
    certificate, private = ctx.env.get("TLS_SERVER_CERT"), ctx.env.get(key)
    if not certificate or not private:
        return []
    port = speech.secured(kind, _port(ctx, "HTTPS_PORT", 8443))
    listens.append(port)
    flags = ["--tls-port", str(port.port), "--certificate", certificate, "--key", private]
    flags += ["--alpn", ",".join(port.alpn), "--strict-alpn", "yes"]
    if clients := ctx.env.get("TLS_CLIENT_CACERTS"):
        flags += ["--client-ca", clients]
    return flags


def _tcp(ctx: ImageContext) -> Launch:
    kind = "gateway-echo-tcp"
    listens = [speech.plaintext(kind, _port(ctx, "TCP_PORT", 3000))]
    if ctx.env.get("TLS_SERVER_CERT") and ctx.env.get("TLS_SERVER_PRIV_KEY"):
        listens.append(speech.secured(kind, _port(ctx, "TLS_PORT", 8443)))
    argv = (*ctx.python, "-m", "lateen.node.standins.tcp.gatewayecho")
    return Launch(argv, listens=tuple(listens))


def _echo_advanced(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
    """Istio's test application: a server, and a client that tests type in its container."""
    client = f'#!/bin/sh\nexec {shlex.join(ctx.python)} -m {_CLIENT_MODULE} "$@"\n'
    flags = [word.lstrip("-").partition("=")[::2] for word in words if word.startswith("-")]
    secured = {value for name, value in flags if name == "tls"}
    plain = [value for name, value in flags if name == "port" and value not in secured] or ["8080"]
    grpc = [value for name, value in flags if name == "grpc"] or ["7070"]
    tcp = [value for name, value in flags if name == "tcp"] or ["9090"]
    version = next((value for name, value in flags if name == "version"), "")
    argv = [*ctx.python, "-m", MODULE, "--kind", "mesh-echo", "--h2c", "yes"]
    listens = []
    for port in (*plain, *grpc):
        argv += ["--port", port]
        kind = "mesh-echo-grpc" if port in grpc else "mesh-echo"
        listens.append(speech.plaintext(kind, int(port)))
    for port in sorted(secured):
        argv += ["--tls-port", port, "--certificate", certificate_path(ctx, "mesh-echo")]
        listens.append(speech.secured("mesh-echo", int(port)))
    for port in tcp:
        argv += ["--option", f"tcp={port}"]
        listens.append(speech.plaintext("mesh-echo-tcp", int(port)))
    argv += ["--option", f"version={version}"] if version else []
    return Launch(tuple(argv), {f"{ctx.root}{_CLIENT}": client}, tuple(listens))


_CLIENT_MODULE = "lateen.node.standins.clients.meshecho"


def _coredns(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
    return Launch((*ctx.python, "-m", "lateen.node.standins.udp.coredns", *words))


_COREDNS = ImageSpec(
    name="", kind="coredns", entrypoint=("/coredns",), programs={"coredns": _coredns}
)
_ROWS: dict[str, ImageSpec] = {
    "registry.k8s.io/gateway-api/echo-basic": ImageSpec(
        name="",
        kind="gateway-echo",
        entrypoint=("/echo-basic",),
        ports=(3000, 3001),
        programs={"echo-basic": _echo_basic},
    ),
    "registry.k8s.io/gateway-api/echo-advanced": ImageSpec(
        name="",
        kind="mesh-echo",
        entrypoint=("/usr/local/bin/server",),
        ports=(8080, 7070, 9090),
        programs={"server": _echo_advanced},
    ),
    "registry.k8s.io/coredns/coredns": _COREDNS,
    "coredns/coredns": _COREDNS,
}

CONFORMANCE: Mapping[str, ImageSpec] = MappingProxyType(_ROWS)
"""Each image by the name it is known by."""
