"""MySQL's protocol as far as Bookinfo needs it: a server with one table, and a client that reads.

    python -m lateen.node.standins.tcp.mysql [PORT]

The server speaks first, as MySQL does: that is what meshes have to know about it.
"""

import hashlib
import os
import re
import socket
import struct
import sys

from lateen.node.standins.tcp.echo import serve_tcp

PORT = 3306
RATINGS = ((1, 5), (2, 4))
_COLUMNS = ("ReviewID", "Rating")
_CAPABILITIES = 0x0000F7FF | 0x00080000
"""What the server can do: the 4.1 protocol, databases at connection, named plugins."""
_WITH_DATABASE = 0x8
_PLUGIN = b"mysql_native_password"
_QUIT, _INIT, _QUERY, _PING = 1, 2, 3, 14
_OK = b"\x00\x00\x00\x02\x00\x00\x00"
_EOF = b"\xfe\x00\x00\x02\x00"
_SELECT = re.compile(r"select\s+(?P<what>[\w\s,*`]+?)\s+from\s+`?ratings`?\b", re.IGNORECASE)


class MysqlError(ValueError):
    """The other side says no, or speaks something else."""


class _Packets:
    """MySQL's packets over a socket: a length of three bytes, and a number that counts up."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._number = 0

    def send(self, *bodies: bytes) -> None:
        for body in bodies:
            head = len(body).to_bytes(3, "little") + bytes([self._number])
            self._connection.sendall(head + body)
            self._number = (self._number + 1) % 256

    def receive(self, *, first: bool = False) -> bytes:
        """Return the next packet. Raises EOFError."""
        head = self._exactly(4)
        self._number = 1 if first else (head[3] + 1) % 256
        return self._exactly(int.from_bytes(head[:3], "little"))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._connection.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data


def scrambled(password: str, salt: bytes) -> bytes:
    """Return what mysql_native_password sends: no password, and worth something for one salt."""
    if not password:
        return b""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    twice = hashlib.sha1(once, usedforsecurity=False).digest()
    mixed = hashlib.sha1(salt + twice, usedforsecurity=False).digest()
    return bytes(a ^ b for a, b in zip(once, mixed, strict=True))


def _text(value: str) -> bytes:
    data = value.encode()
    return bytes([len(data)]) + data


def _column(name: str) -> bytes:
    names = b"".join(_text(each) for each in ("def", "test", "ratings", "ratings", name, name))
    return names + struct.pack("<BHIBHB2x", 12, 63, 11, 3, 0, 0)


def _refusal(code: int, state: str, text: str) -> bytes:
    return b"\xff" + struct.pack("<H", code) + f"#{state}{text}".encode()


def _greeting(salt: bytes) -> bytes:
    low, high = _CAPABILITIES & 0xFFFF, _CAPABILITIES >> 16
    head = b"\x0a5.7.44-lateen\x00" + struct.pack("<I", os.getpid()) + salt[:8] + b"\x00"
    middle = struct.pack("<HBHHB10x", low, 33, 2, high, len(salt) + 1)
    return head + middle + salt[8:] + b"\x00" + _PLUGIN + b"\x00"


def _login(packet: bytes) -> tuple[str, bytes]:
    """Return user and scrambled password of a login. Raises MysqlError."""
    user, _, rest = packet[32:].partition(b"\x00")
    if len(packet) < 34 or not rest:
        raise MysqlError("no login")
    return user.decode("utf-8", "replace"), rest[1 : 1 + rest[0]]


def _answers(command: bytes) -> tuple[bytes, ...]:
    """Return the packets that answer a command after the login."""
    code, text = command[0], command[1:].decode("utf-8", "replace").strip().rstrip(";")
    if code in (_PING, _INIT):
        return (_OK,)
    if code != _QUERY:
        return (_refusal(1047, "08S01", "Unknown command"),)
    if (match := _SELECT.match(text)) is None:
        known = text.lower().startswith(("set ", "use "))
        return (_OK if known else _refusal(1064, "42000", "This stand-in only reads `ratings`"),)
    wanted = [name.strip(" `") for name in match["what"].split(",")]
    names = list(_COLUMNS) if wanted == ["*"] else wanted
    places = {name.lower(): index for index, name in enumerate(_COLUMNS)}
    if unknown := [name for name in names if name.lower() not in places]:
        return (_refusal(1054, "42S22", f"Unknown column '{unknown[0]}' in 'field list'"),)
    rows = [b"".join(_text(str(row[places[name.lower()]])) for name in names) for row in RATINGS]
    return (bytes([len(names)]), *(_column(name) for name in names), _EOF, *rows, _EOF)


def serve(connection: socket.socket) -> None:
    """Serve one client until it goes."""
    packets, salt = _Packets(connection), os.urandom(20).replace(b"\x00", b"\x01")
    packets.send(_greeting(salt))
    user, proof = _login(packets.receive())
    if proof != scrambled(os.environ.get("MYSQL_ROOT_PASSWORD", ""), salt):
        used = "YES" if proof else "NO"
        text = f"Access denied for user '{user}'@'{connection.getpeername()[0]}'"
        packets.send(_refusal(1045, "28000", f"{text} (using password: {used})"))
        return
    packets.send(_OK)
    while (command := packets.receive(first=True))[0] != _QUIT:
        packets.send(*_answers(command))


def ratings(host: str, port: int, user: str, password: str) -> list[int]:
    """Ask a server for the ratings, as Bookinfo does. Raises OSError, EOFError, ValueError."""
    with socket.create_connection((host, port), timeout=10) as connection:
        packets = _Packets(connection)
        greeting = packets.receive()
        if greeting[0] != 10:
            raise MysqlError(greeting[9:].decode("utf-8", "replace"))
        at = greeting.index(b"\x00", 1) + 5
        salt = greeting[at : at + 8] + greeting[at + 27 : at + 39]
        wanted = 0x00000200 | 0x00008000 | 0x00080000 | _WITH_DATABASE
        proof = scrambled(password, salt)
        login = struct.pack("<IIB23x", wanted, 1 << 24, 33) + user.encode() + b"\x00"
        login += bytes([len(proof)]) + proof + b"test\x00" + _PLUGIN + b"\x00"
        packets.send(login)
        if (said := packets.receive())[0] == 0xFF:
            raise MysqlError(said[9:].decode("utf-8", "replace"))
        query = _Packets(connection)
        query.send(bytes([_QUERY]) + b"SELECT Rating FROM ratings")
        return _rows(query)


def _rows(packets: _Packets) -> list[int]:
    if (said := packets.receive())[0] == 0xFF:
        raise MysqlError(said[9:].decode("utf-8", "replace"))
    found: list[int] = []
    ends = 0
    while ends < 2:
        packet = packets.receive()
        if packet[0] == 0xFE and len(packet) < 9:
            ends += 1
        elif ends == 1:
            found.append(int(packet[1 : 1 + packet[0]]))
    return found


def main(arguments: list[str]) -> int:
    """Serve until killed."""
    return serve_tcp(int(arguments[0]) if arguments else PORT, serve)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
