"""MongoDB's protocol as far as Bookinfo needs it: a server with one collection, and a client.

python -m lateen.node.standins.tcp.mongo [PORT]
"""

import itertools
import socket
import struct
import sys
from typing import Any

from lateen.node.standins.tcp.echo import serve_tcp

PORT = 27017
RATINGS = ({"rating": 5}, {"rating": 4})
_REPLY, _QUERY, _MESSAGE = 1, 2004, 2013
_LONGEST = 48_000_000
_HELLO = {
    "ismaster": True,
    "isWritablePrimary": True,
    "maxBsonObjectSize": 16_777_216,
    "maxMessageSizeBytes": _LONGEST,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 6,
    "readOnly": False,
    "ok": 1.0,
}


def encoded(document: dict[str, Any]) -> bytes:
    """Write a document as BSON: numbers, texts, flags, documents and lists."""
    body = b"".join(_element(name, value) for name, value in document.items())
    return struct.pack("<i", len(body) + 5) + body + b"\x00"


def _element(name: str, value: Any) -> bytes:
    key = name.encode() + b"\x00"
    if isinstance(value, bool):
        return b"\x08" + key + bytes([value])
    if isinstance(value, int):
        return b"\x10" + key + struct.pack("<i", value)
    if isinstance(value, float):
        return b"\x01" + key + struct.pack("<d", value)
    if isinstance(value, str):
        data = value.encode() + b"\x00"
        return b"\x02" + key + struct.pack("<i", len(data)) + data
    if isinstance(value, list):
        return b"\x04" + key + encoded({str(at): each for at, each in enumerate(value)})
    return b"\x03" + key + encoded(value)


_WIDTHS = {0x01: 8, 0x07: 12, 0x08: 1, 0x09: 8, 0x0A: 0, 0x10: 4, 0x11: 8, 0x12: 8}


def decoded(data: bytes) -> dict[str, Any]:
    """Read a BSON document; values of kinds that nothing here needs become None.

    Raises ValueError for what is no document."""
    try:
        return _document(data)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError("no BSON") from error


def _document(data: bytes) -> dict[str, Any]:
    (size,) = struct.unpack_from("<i", data)
    if size < 5 or size > len(data):
        raise ValueError("no BSON: the length is wrong")
    found: dict[str, Any] = {}
    at = 4
    while at < size - 1:
        kind = data[at]
        end = data.index(b"\x00", at + 1)
        name, at = data[at + 1 : end].decode(), end + 1
        value, width = _value(kind, data, at)
        found[name] = value
        at += width
    return found


def _value(kind: int, data: bytes, at: int) -> tuple[Any, int]:
    if kind in _WIDTHS:
        form = {0x01: "<d", 0x08: "<?", 0x10: "<i", 0x12: "<q"}.get(kind)
        return struct.unpack_from(form, data, at)[0] if form else None, _WIDTHS[kind]
    (size,) = struct.unpack_from("<i", data, at)
    if size < 0 or at + size > len(data):
        raise ValueError("no BSON: the length is wrong")
    if kind == 0x02:
        return data[at + 4 : at + 3 + size].decode(), size + 4
    if kind in (0x03, 0x04):
        inner = _document(data[at : at + size])
        return list(inner.values()) if kind == 0x04 else inner, size
    if kind == 0x05:
        return None, size + 5
    raise ValueError(f"BSON of kind {kind}")


def _answer(command: dict[str, Any]) -> dict[str, Any]:
    """Return what the server says to a command."""
    name = next(iter(command), "")
    if name.lower() in ("hello", "ismaster"):
        return dict(_HELLO)
    if name.lower() in ("ping", "endsessions"):
        return {"ok": 1.0}
    if name.lower() == "buildinfo":
        return {"version": "4.4.0", "versionArray": [4, 4, 0, 0], "ok": 1.0}
    if name == "find":
        rows = [dict(each) for each in RATINGS] if command[name] == "ratings" else []
        cursor = {"firstBatch": rows, "id": 0, "ns": f"test.{command[name]}"}
        return {"cursor": cursor, "ok": 1.0}
    said = f"no such command: '{name}'"
    return {"ok": 0.0, "errmsg": said, "code": 59, "codeName": "CommandNotFound"}


def _received(connection: socket.socket) -> tuple[int, int, bytes]:
    """Return number, kind and body of a message. Raises EOFError, ValueError."""
    head = _exactly(connection, 16)
    size, number, _, kind = struct.unpack("<iiii", head)
    if not 16 <= size <= _LONGEST:
        raise ValueError("no MongoDB message")
    return number, kind, _exactly(connection, size - 16)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = connection.recv(min(65536, count - len(data)))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def serve(connection: socket.socket) -> None:
    """Serve one client until it goes."""
    for number in itertools.count(1):
        asked, kind, body = _received(connection)
        if kind == _MESSAGE:
            reply = struct.pack("<IB", 0, 0) + encoded(_answer(decoded(body[5:])))
            answer = _MESSAGE
        elif kind == _QUERY:  # drivers before 3.6, and everybody's first message
            at = body.index(b"\x00", 4) + 9
            reply = struct.pack("<iqii", 8, 0, 0, 1) + encoded(_answer(decoded(body[at:])))
            answer = _REPLY
        else:
            raise ValueError(f"operation {kind}")
        connection.sendall(struct.pack("<iiii", len(reply) + 16, number, asked, answer) + reply)


def ratings(host: str, port: int) -> list[int]:
    """Ask a server for the ratings, as Bookinfo does. Raises OSError, EOFError, ValueError."""
    with socket.create_connection((host, port), timeout=10) as connection:
        body = struct.pack("<IB", 0, 0) + encoded({"find": "ratings", "$db": "test"})
        connection.sendall(struct.pack("<iiii", len(body) + 16, 1, 0, _MESSAGE) + body)
        _, kind, answer = _received(connection)
        found = decoded(answer[5:]) if kind == _MESSAGE else {}
    if not found.get("ok"):
        raise ValueError(str(found.get("errmsg", "no MongoDB")))
    return [int(row["rating"]) for row in found["cursor"]["firstBatch"]]


def main(arguments: list[str]) -> int:
    """Serve until killed."""
    return serve_tcp(int(arguments[0]) if arguments else PORT, serve)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
