"""One call of grpc.health.v1.Health/Check over a plain connection, without a gRPC library."""

import asyncio
import struct

import h2.config
import h2.connection
import h2.events

_STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_FIELD_ONE_BYTES = 0x0A
_FIELD_ONE_VARINT = 0x08


def request(service: str) -> bytes:
    """Return a HealthCheckRequest in gRPC's framing. Raises ValueError on a name over 127 bytes."""
    name = service.encode()
    if len(name) > 127:
        raise ValueError("a health service name of at most 127 bytes is supported")
    body = bytes((_FIELD_ONE_BYTES, len(name))) + name if name else b""
    return struct.pack(">BI", 0, len(body)) + body


def status(message: bytes) -> str:
    """Return the serving status in a framed HealthCheckResponse."""
    body = message[5:]
    number = body[1] if len(body) >= 2 and body[0] == _FIELD_ONE_VARINT else 0
    return _STATUSES[number] if number < len(_STATUSES) else "UNKNOWN"


async def check(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, service: str) -> str:
    """Return the serving status of a service, or `grpc-status N`. Raises EOFError, OSError."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    connection.initiate_connection()
    stream = connection.get_next_available_stream_id()
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "kube-probe"),
    ]
    connection.send_headers(stream, headers)
    connection.send_data(stream, request(service), end_stream=True)
    writer.write(connection.data_to_send())
    answer, code = b"", b"0"
    while data := await reader.read(65536):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                answer += event.data or b""
            elif isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                code = dict(event.headers or ()).get(b"grpc-status", code)
            elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                if code == b"0" and answer:
                    return status(answer)
                return f"grpc-status {code.decode()}"
        writer.write(connection.data_to_send())
    raise EOFError("the server closed the connection")
