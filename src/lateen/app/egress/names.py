"""Names outside the lab: resolved once on the host, then pinned.

A name keeps the addresses that it had first, as long as the lab runs: a pod that was told one
connects to what was judged, whatever the name is made to mean later. Addresses that the policy
refuses are not told.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import dnslib

from lateen.app.egress.policy import Policy
from lateen.base.tasks import TaskGroup

TTL = 60
MOST = 4096
"""Names that are kept; the one asked for longest ago goes first."""

Lookup = Callable[[str], Awaitable[list[str]]]
"""Returns a name's IPv4 addresses; raises OSError if there are none to be had."""


async def on_this_machine(name: str) -> list[str]:
    """Look a name up as every program of the host does. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def by_resolver(ask: Callable[[bytes], Awaitable[bytes]]) -> Lookup:
    """Return a lookup that asks one resolver, by queries of its own."""

    async def lookup(name: str) -> list[str]:
        reply = dnslib.DNSRecord.parse(await ask(bytes(dnslib.DNSRecord.question(name).pack())))
        if reply.header.rcode == dnslib.RCODE.NXDOMAIN:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        if reply.header.rcode != dnslib.RCODE.NOERROR:
            raise OSError(f"{name}: the resolver answers {dnslib.RCODE.get(reply.header.rcode)}")
        return [str(each.rdata) for each in reply.rr if each.rtype == dnslib.QTYPE.A]

    return lookup


class PinnedNames:
    """Answers DNS queries for names outside."""

    def __init__(self, lookup: Lookup, policy: Policy, own: Callable[[], frozenset[str]]) -> None:
        self._lookup, self._policy, self._own = lookup, policy, own
        self._pinned: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._looking: dict[str, asyncio.Task[tuple[str, ...] | OSError]] = {}
        self._tasks = TaskGroup("names")

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return what a name means for this lab: the addresses that it had when it was first asked
        for, without those refused. Raises OSError."""
        key = name.lower().rstrip(".")
        if key in self._pinned:
            self._pinned.move_to_end(key)
            return self._pinned[key]
        looking = self._looking.get(key)
        if looking is None:  # resolvers ask for A and AAAA at once: that is one look-up
            looking = self._looking[key] = self._tasks.start(self._look_up(key), key)
            looking.add_done_callback(lambda _: self._looking.pop(key, None))
        found = await asyncio.shield(looking)
        if isinstance(found, OSError):
            raise found
        return found

    async def _look_up(self, key: str) -> tuple[str, ...] | OSError:
        """Look a name up and pin it; what went wrong is returned to all who wait."""
        try:
            found = await self._lookup(key)
        except OSError as error:
            return error
        own = self._own()
        allowed = tuple(dict.fromkeys(ip for ip in found if not self._policy.refusal(ip, own)))
        if found and not allowed:
            return PermissionError(f"{key} is {found[0]}: {self._policy.refusal(found[0], own)}")
        self._pinned[key] = allowed
        while len(self._pinned) > MOST:
            self._pinned.popitem(last=False)
        return allowed

    async def answer(self, query: bytes) -> bytes:
        """Return the reply to a DNS query: A records, and for other types that there are none.
        Raises ValueError for what is no query."""
        try:
            asked = dnslib.DNSRecord.parse(query)
        except (dnslib.DNSError, ValueError, IndexError) as error:
            raise ValueError("no DNS query") from error
        reply = asked.reply(ra=1, aa=0)
        if dnslib.QTYPE.get(asked.q.qtype, "") not in ("A", "AAAA", "ANY"):
            return bytes(reply.pack())
        try:
            found = await self.addresses(".".join(str(asked.q.qname).split(".")))
        except PermissionError:
            reply.header.rcode = dnslib.RCODE.REFUSED
        except socket.gaierror as error:
            gone = error.errno == socket.EAI_NONAME
            reply.header.rcode = dnslib.RCODE.NXDOMAIN if gone else dnslib.RCODE.SERVFAIL
        except OSError:
            reply.header.rcode = dnslib.RCODE.SERVFAIL
        else:
            if asked.q.qtype != dnslib.QTYPE.AAAA:
                for ip in found:
                    record = dnslib.RR(asked.q.qname, dnslib.QTYPE.A, ttl=TTL, rdata=dnslib.A(ip))
                    reply.add_answer(record)
        return bytes(reply.pack())
