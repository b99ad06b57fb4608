"""Protocol selection: what a port is said to speak. Pure."""

from lateen.compiler.ir.workload import Protocol

_BY_NAME = {
    "http": Protocol.HTTP,
    "http_proxy": Protocol.HTTP,
    "http2": Protocol.HTTP2,
    "grpc": Protocol.GRPC,
    "grpc-web": Protocol.GRPC_WEB,
    "https": Protocol.HTTPS,
    "tls": Protocol.TLS,
    "tcp": Protocol.TCP,
    "mongo": Protocol.MONGO,
    "mysql": Protocol.MYSQL,
    "redis": Protocol.REDIS,
    "udp": Protocol.UDP,
}

_APP_PROTOCOLS = {
    "kubernetes.io/h2c": Protocol.HTTP2,
    "kubernetes.io/ws": Protocol.HTTP,
    "kubernetes.io/wss": Protocol.HTTPS,
}

_TCP_PORTS = frozenset({25, 53, 3306, 27017})
"""Server-first protocols: sniffing would wait for a client that waits for the server."""


def named(text: str) -> Protocol:
    """Return the protocol of a Gateway's `port.protocol`; AUTO for an unknown word."""
    return _BY_NAME.get(text.lower(), Protocol.AUTO)


def select(number: int, name: str, app_protocol: str, transport: str = "TCP") -> Protocol:
    """Return the protocol of a Service port.

    `appProtocol` wins over the port's name, whose first word (up to a hyphen) counts. Anything
    else is detected, except on ports whose protocol lets the server speak first.
    """
    if transport.upper() == "UDP":
        return Protocol.UDP
    text = (app_protocol or name).lower()
    if text in _APP_PROTOCOLS:
        return _APP_PROTOCOLS[text]
    word = "grpc-web" if text.startswith("grpc-web") else text.split("-", 1)[0]
    found = _BY_NAME.get(word, Protocol.AUTO)
    if found is Protocol.AUTO and number in _TCP_PORTS:
        return Protocol.TCP
    return found
