"""The cluster's DNS server. `answer` is pure: a query's bytes in, the reply's bytes out.

Authoritative for `cluster.local` and for addresses; any other name is unknown, unless the server
was given a forwarder.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable

import dnslib

from lateen.base.tasks import TaskGroup
from lateen.node.dns import zone as dnszone

PORT = 53
_PLAIN_LIMIT = 512
_TCP_LIMIT = 65535
_IDLE_SECONDS = 10.0

Forwarder = Callable[[bytes], Awaitable[bytes]]
"""Takes a query for a name outside the cluster and returns the reply; raises OSError."""


def answer(query: bytes, zone: dnszone.Zone, limit: int = 0, client: str = "") -> bytes | None:
    """Return the reply to a query, or None to something that is not one.

    `limit` is the largest reply in bytes; 0 means what the query allows over UDP. A larger reply is
    cut and marked, so that the client asks again over TCP. `client` is the address that asks.
    """
    if len(query) < 12 or query[2] & 0x80:
        return None
    try:
        request = dnslib.DNSRecord.parse(query)
    except (dnslib.DNSError, struct.error, UnicodeError, ValueError, IndexError):
        return _failure(query, dnslib.RCODE.FORMERR)
    if request.header.get_opcode() != dnslib.OPCODE.QUERY:
        return _failure(query, dnslib.RCODE.NOTIMP)
    if len(request.questions) != 1:
        return _failure(query, dnslib.RCODE.FORMERR)
    packed = bytes(_reply(request, zone, client).pack())
    if len(packed) > (limit or _udp_limit(request)):
        # The question must come back with it, or resolvers take it for a forgery and wait.
        cut = request.reply(ra=0, aa=1)
        cut.header.tc = 1
        _acknowledge_edns(request, cut)
        return bytes(cut.pack())
    return packed


def is_foreign(query: bytes, zone: dnszone.Zone, client: str = "") -> bool:
    """Return whether the query asks for a name that is not the cluster's."""
    try:
        question = dnslib.DNSRecord.parse(query).q
    except (dnslib.DNSError, struct.error, UnicodeError, ValueError, IndexError):
        return False
    return not zone.lookup(_text(question.qname), "A", client).inside


def _reply(request: dnslib.DNSRecord, zone: dnszone.Zone, client: str) -> dnslib.DNSRecord:
    question = request.q
    kind = dnslib.QTYPE.get(question.qtype, str(question.qtype))
    found = zone.lookup(_text(question.qname), kind, client)
    reply = request.reply(ra=0, aa=1)
    if not found.exists:
        reply.header.rcode = dnslib.RCODE.NXDOMAIN
    for record in _rotated(found.answers, request.header.id):
        reply.add_answer(_packed(record, question.qname))
    for record in found.additional:
        reply.add_ar(_packed(record))
    if not found.answers:
        reply.add_auth(_authority(found.inside))
    _acknowledge_edns(request, reply)
    return reply


def _acknowledge_edns(request: dnslib.DNSRecord, reply: dnslib.DNSRecord) -> None:
    if any(extra.rtype == dnslib.QTYPE.OPT for extra in request.ar):
        reply.add_ar(dnslib.EDNS0(udp_len=1232))


def _text(name: dnslib.DNSLabel) -> str:
    return ".".join(label.decode("ascii", "replace") for label in name.label)


def _rotated(records: tuple[dnszone.DnsRecord, ...], number: int) -> tuple[dnszone.DnsRecord, ...]:
    """Spread clients that take the first address: start elsewhere with each query's id."""
    if len(records) < 2 or records[0].type == "CNAME":
        return records
    first = number % len(records)
    return records[first:] + records[:first]


def _packed(record: dnszone.DnsRecord, asked: dnslib.DNSLabel | None = None) -> dnslib.RR:
    """Pack a record; where it has the name that was asked for, in the letters of the question."""
    name: object = record.name
    if asked is not None and _text(asked).lower() == record.name.lower():
        name = asked
    match record.type:
        case "SRV":
            data = dnslib.SRV(0, 100, record.port, record.value)
        case _:
            data = getattr(dnslib, record.type)(record.value)
    return dnslib.RR(name, getattr(dnslib.QTYPE, record.type), ttl=dnszone.TTL, rdata=data)


def _authority(inside: bool) -> dnslib.RR:
    """Tell how long "there is none" may be remembered."""
    domain = dnszone.DOMAIN if inside else "."
    times = (1, 7200, 1800, 86400, dnszone.TTL)
    data = dnslib.SOA(f"ns.dns.{dnszone.DOMAIN}", f"hostmaster.{dnszone.DOMAIN}", times)
    return dnslib.RR(domain, dnslib.QTYPE.SOA, ttl=dnszone.TTL, rdata=data)


def _udp_limit(request: dnslib.DNSRecord) -> int:
    for extra in request.ar:
        if extra.rtype == dnslib.QTYPE.OPT:
            return max(_PLAIN_LIMIT, int(extra.rclass))
    return _PLAIN_LIMIT


def _failure(query: bytes, code: int) -> bytes:
    """Answer with a bare header: the id and operation asked for, and a code."""
    flags = 0x80 | (query[2] & 0x79)
    return query[:2] + bytes([flags, code]) + bytes(8)


class DnsServer:
    """Answers over UDP and TCP on sockets that it is given. With `alike` all clients are told the
    same, as proxies are whose pods' DNS they answer themselves."""

    def __init__(
        self, zone: dnszone.Zone, forwarder: Forwarder | None = None, *, alike: bool = False
    ) -> None:
        self._zone = zone
        self._alike = alike
        self._forwarder = forwarder
        self._tasks = TaskGroup("dns")
        self._transport: asyncio.DatagramTransport | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, ip: str, port: int = PORT) -> None:
        """Listen on an address of the caller's network namespace. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(ip, port), family=socket.AF_INET
        )
        self._listener = await asyncio.start_server(self._converse, ip, port)

    async def stop(self) -> None:
        """Close the sockets."""
        if self._transport is not None:
            self._transport.close()
        if self._listener is not None:
            self._listener.close()
        await self._tasks.stop()

    def received(self, query: bytes, peer: tuple[str, int]) -> None:
        """Take a datagram."""
        client = self._client(peer)
        if self._forwarder is not None and is_foreign(query, self._zone, client):
            self._tasks.start(self._forward(query, peer), "forward")
        elif self._transport is not None:
            reply = answer(query, self._zone, client=client)
            if reply is not None:
                self._transport.sendto(reply, peer)

    def _client(self, peer: tuple[str, int] | None) -> str:
        return peer[0] if peer is not None and not self._alike else ""

    async def _forward(self, query: bytes, peer: tuple[str, int]) -> None:
        reply = await self._foreign(query)
        if self._transport is not None:
            self._transport.sendto(reply, peer)

    async def _foreign(self, query: bytes) -> bytes:
        try:
            return await self._forwarder(query) if self._forwarder else b""
        except OSError:
            return _failure(query, dnslib.RCODE.SERVFAIL)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One TCP connection: queries and replies, each after its length."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            while True:
                async with asyncio.timeout(_IDLE_SECONDS):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    query = await reader.readexactly(size)
                client = self._client(writer.get_extra_info("peername"))
                if self._forwarder is not None and is_foreign(query, self._zone, client):
                    reply: bytes | None = await self._foreign(query)
                else:
                    reply = answer(query, self._zone, _TCP_LIMIT, client)
                if reply is None:
                    break
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.received(data, addr)
