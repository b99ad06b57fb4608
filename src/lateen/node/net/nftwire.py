"""Tables of `nft` as the kernel takes them: nfnetlink messages, one transaction a batch.

The functions that build messages are pure; `apply` sends. Packed by hand for the reason given in
docs/decisions/004-netlink.md: 0.5 ms for a pod's rules, 6 ms for 1,000 Services.
"""

import errno
import functools
import ipaddress
import itertools
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

from lateen.node.net import netlink, nft
from lateen.node.net.netlink import attribute, be32, nested
from lateen.node.net.nft import PacketField, SetKind

_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEW_TABLE, _DEL_TABLE = 0, 2
_NEW_CHAIN = 3
_NEW_RULE, _DEL_RULE = 6, 8
_NEW_SET, _DEL_SET = 9, 11
_NEW_ELEMENTS, _DEL_ELEMENTS = 12, 14

_FIRST = 8
"""NFT_REG32_00: registers of four bytes, which concatenated keys fill one after another."""

_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}
_KINDS = {SetKind.ADDRESS: 7, SetKind.PROTOCOL: 12, SetKind.PORT: 13, SetKind.NUMBER: 19}
"""nft's own numbers of types, so that `nft list ruleset` shows the elements as they are meant."""

_META = {
    PacketField.PROTOCOL: 16,
    PacketField.MARK: 3,
    PacketField.IN_LINK: 6,
    PacketField.OUT_LINK: 7,
}
_PAYLOAD = {
    PacketField.SOURCE: (1, 12, 4),
    PacketField.DESTINATION: (1, 16, 4),
    PacketField.PORT: (2, 2, 2),
}
"""Header (1 network, 2 transport), offset and length."""

_RETURN, _JUMP = -5, -3
_DST_NAT = 1 << 5
"""IPS_DST_NAT of a connection's status."""
_NEW = 1 << 3
"""NF_CT_STATE_BIT of IP_CT_NEW."""

_ELEMENTS_A_MESSAGE = 700
_NESTED = 0x8000
_data = struct.Struct("=HHHH")


def create(table: nft.RuleTable) -> list[netlink.Message]:
    """Return the transaction body that makes the table; the kernel answers EEXIST when there is one
    of its name."""
    messages = [_table(_NEW_TABLE, table.name, netlink.EXCLUSIVE)]
    messages += [_set(table.name, each, number) for number, each in enumerate(table.sets, 1)]
    messages += [_chain(table.name, chain) for chain in table.chains]
    for each in table.sets:
        messages += _elements(_NEW_ELEMENTS, table.name, each, each.elements)
    for chain in table.chains:
        messages += [_rule(table.name, chain.name, rule) for rule in chain.rules]
    return messages


def replace(table: nft.RuleTable) -> list[netlink.Message]:
    """Return the transaction body that puts the table in place of any earlier one of its name.

    A socket that deleted something takes about 15 ms to close, as the kernel waits for the readers
    of what was deleted: where there is probably no earlier table, try `create` first.
    """
    return [_table(_NEW_TABLE, table.name), *delete(table.name), *create(table)]


def delete(name: str) -> list[netlink.Message]:
    """Return the transaction body that removes a table."""
    return [_table(_DEL_TABLE, name)]


def changes(old: nft.RuleTable, new: nft.RuleTable) -> list[list[netlink.Message]]:
    """Return the transactions that lead from one table to the other, to be applied in this order.

    What is new is there before what is old goes, and no chain is replaced: the kernel reads which
    generation of rules counts for each chain and each look into a set anew, so a packet that meets
    the moment of a transaction finds either's, or neither's if one took the other's place.
    Only where chains come, go or move are they all replaced.
    """
    if _frame(old) != _frame(new) or _retyped(old, new):
        return [replace(new)]
    both = _joined(old, new)
    return [each for each in (_step(old, both), _step(both, new)) if each]


def _frame(table: nft.RuleTable) -> object:
    return table.name, tuple((chain.name, chain.base) for chain in table.chains)


def _retyped(old: nft.RuleTable, new: nft.RuleTable) -> bool:
    before = {each.name: (each.key, each.value) for each in old.sets}
    return any(before.get(s.name, (s.key, s.value)) != (s.key, s.value) for s in new.sets)


def _joined(old: nft.RuleTable, new: nft.RuleTable) -> nft.RuleTable:
    """Return a table in which what either has is found; of two values of a key the new one."""
    before = {each.name: each for each in old.sets}
    names = {each.name for each in new.sets}
    sets = [
        nft.Set(s.name, s.key, {**before[s.name].elements, **s.elements}, s.value)
        if s.name in before
        else s
        for s in new.sets
    ]
    chains = (
        nft.Chain(a.name, b.rules + tuple(r for r in a.rules if r not in b.rules), a.base)
        for a, b in zip(old.chains, new.chains, strict=True)
    )
    return nft.RuleTable(
        new.name, tuple(chains), (*sets, *(s for s in old.sets if s.name not in names))
    )


def _step(old: nft.RuleTable, new: nft.RuleTable) -> list[netlink.Message]:
    """Return one transaction's body: sets and elements that come, rules of chains that have others,
    elements and sets that go."""
    before, after = ({each.name: each for each in table.sets} for table in (old, new))
    messages = [
        _set(new.name, each, number)
        for number, each in enumerate(new.sets, 1)
        if each.name not in before
    ]
    for each in new.sets:
        known = before[each.name].elements if each.name in before else {}
        gone = {k: v for k, v in known.items() if each.elements.get(k) != v}
        come = {k: v for k, v in each.elements.items() if known.get(k) != v}
        messages += _elements(_DEL_ELEMENTS, new.name, each, gone)
        messages += _elements(_NEW_ELEMENTS, new.name, each, come)
    for first, then in zip(old.chains, new.chains, strict=True):
        if first.rules != then.rules:
            messages.append(_no_rules(new.name, then.name))
            messages += [_rule(new.name, then.name, rule) for rule in then.rules]
    return messages + [_no_set(new.name, each.name) for each in old.sets if each.name not in after]


def apply(socket: netlink.Netlink, messages: Sequence[netlink.Message]) -> None:
    """Send one transaction: all of it takes effect at once, or nothing. Raises NetlinkError."""
    if not messages:
        return
    ends = [
        netlink.Message(
            kind, netlink.REQUEST, struct.pack(">BBH", 0, 0, _SUBSYSTEM), "packet rules"
        )
        for kind in (_BATCH_BEGIN, _BATCH_END)
    ]
    try:
        socket.send([ends[0], *messages, ends[1]])
    except netlink.NetlinkError as error:
        if error.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT):
            raise netlink.NetlinkError(
                error.errno,
                f"{error.strerror}: the kernel lacks a part of nf_tables (modules nf_tables,"
                " nft_chain_nat, nft_redir, nft_nat, nft_reject_ipv4, nft_numgen, nft_hash);"
                " load it as root with modprobe",
            ) from error
        raise


def _message(kind: int, flags: int, body: bytes, about: str) -> netlink.Message:
    header = struct.pack(">BBH", 2, 0, 0)
    return netlink.Message(_SUBSYSTEM << 8 | kind, netlink.REQUEST | flags, header + body, about)


def _table(kind: int, name: str, flags: int = 0) -> netlink.Message:
    flags |= netlink.CREATE if kind == _NEW_TABLE else 0
    return _message(kind, flags, netlink.text(1, name), f"table {name}")


def _chain(table: str, chain: nft.Chain) -> netlink.Message:
    body = netlink.text(1, table) + netlink.text(3, chain.name)
    if chain.base:
        hook = be32(1, chain.base.hook.value) + be32(2, chain.base.priority)
        body += nested(4, hook) + be32(5, 1) + netlink.text(7, chain.base.type)
    return _message(_NEW_CHAIN, netlink.CREATE, body, f"chain {table} {chain.name}")


def _rule(table: str, chain: str, rule: nft.PacketRule) -> netlink.Message:
    expressions: list[bytes] = []
    for match in rule.matches:
        expressions += _condition(match)
    expressions += _action(rule.action)
    body = netlink.text(1, table) + netlink.text(2, chain)
    body += nested(4, *(nested(1, each) for each in expressions))
    flags = netlink.CREATE | netlink.APPEND
    return _message(_NEW_RULE, flags, body, f"rule in {table} {chain}: {rule}")


def _no_rules(table: str, chain: str) -> netlink.Message:
    body = netlink.text(1, table) + netlink.text(2, chain)
    return _message(_DEL_RULE, 0, body, f"rules of {table} {chain}")


def _no_set(table: str, name: str) -> netlink.Message:
    body = netlink.text(1, table) + netlink.text(2, name)
    return _message(_DEL_SET, 0, body, f"set {table} {name}")


def _expression(name: str, *attributes: bytes) -> bytes:
    return netlink.text(1, name) + nested(2, *attributes)


def _load(field: PacketField, register: int) -> bytes:
    if field in _META:
        return _expression("meta", be32(1, register), be32(2, _META[field]))
    header, offset, length = _PAYLOAD[field]
    return _expression(
        "payload", be32(1, register), be32(2, header), be32(3, offset), be32(4, length)
    )


def _condition(condition: nft.Condition) -> list[bytes]:
    match condition:
        case nft.Match():
            return _match(condition)
        case nft.Member(fields, name):
            return [*_keys(fields), _expression("lookup", netlink.text(1, name), be32(2, _FIRST))]
        case nft.Translated():
            return _tracked(2, _DST_NAT)
        case nft.NewConnection():
            return _tracked(0, _NEW)


def _tracked(key: int, bit: int) -> list[bytes]:
    """Look whether a bit of a connection's state (0) or status (2) is set."""
    loaded = _expression("ct", be32(1, _FIRST), be32(2, key))
    return [loaded, _masked(struct.pack("=I", bit)), _compared(bytes(4), differs=True)]


def _match(match: nft.Match) -> list[bytes]:
    value, mask = _operand(match)
    masked = [_masked(mask)] if mask else []
    return [_load(match.field, _FIRST), *masked, _compared(value, differs=match.negate)]


def _masked(mask: bytes) -> bytes:
    return _expression(
        "bitwise",
        be32(1, _FIRST),
        be32(2, _FIRST),
        be32(3, len(mask)),
        nested(4, attribute(1, mask)),
        nested(5, attribute(1, bytes(len(mask)))),
    )


def _compared(value: bytes, *, differs: bool) -> bytes:
    return _expression(
        "cmp", be32(1, _FIRST), be32(2, 1 if differs else 0), nested(3, attribute(1, value))
    )


def _operand(match: nft.Match) -> tuple[bytes, bytes]:
    """Return the value to compare with, and the mask to apply before, if one is needed."""
    value = match.value
    match match.field:
        case PacketField.SOURCE | PacketField.DESTINATION:
            network = ipaddress.IPv4Network(value)
            mask = b"" if network.prefixlen == 32 else network.netmask.packed
            return network.network_address.packed, mask
        case PacketField.IN_LINK | PacketField.OUT_LINK:
            return str(value).encode().ljust(16, b"\0"), b""
        case PacketField.PROTOCOL:
            return bytes([_PROTOCOLS[str(value)]]), b""
        case PacketField.PORT:
            return struct.pack(">H", value), b""
        case PacketField.MARK:
            return struct.pack("=I", value), b""


def _keys(fields: Iterable[PacketField]) -> list[bytes]:
    return [_load(field, _FIRST + number) for number, field in enumerate(fields)]


def _verdict(code: int, chain: str = "") -> bytes:
    parts = be32(1, code) + (netlink.text(2, chain) if chain else b"")
    return _expression("immediate", be32(1, 0), nested(2, nested(2, parts)))


def _immediate(value: bytes, register: int = _FIRST) -> bytes:
    return _expression("immediate", be32(1, register), nested(2, attribute(1, value)))


def _action(action: nft.Action) -> list[bytes]:
    match action:
        case nft.Return():
            return [_verdict(_RETURN)]
        case nft.Jump(chain):
            return [_verdict(_JUMP, chain)]
        case nft.Redirect(port):
            return [_immediate(struct.pack(">H", port)), _expression("redir", be32(1, _FIRST))]
        case nft.Reject(reset):
            return [_expression("reject", be32(1, 1 if reset else 0), attribute(2, b"\x03"))]
        case nft.SourceNat(address):
            source = _immediate(ipaddress.IPv4Address(address).packed)
            return [source, _expression("nat", be32(1, 0), be32(2, 2), be32(3, _FIRST))]
        case nft.DestinationNat(address, port):
            where = _immediate(ipaddress.IPv4Address(address).packed)
            which = _immediate(struct.pack(">H", port), _FIRST + 1)
            registers = be32(3, _FIRST) + be32(5, _FIRST + 1)
            return [where, which, _expression("nat", be32(1, 1), be32(2, 2), registers)]
        case nft.Spread():
            return _spread(action)


def _spread(action: nft.Spread) -> list[bytes]:
    keys = _keys((PacketField.DESTINATION, PacketField.PROTOCOL, PacketField.PORT))
    slot = _FIRST + len(keys)
    if action.sticky:
        source = slot + 1
        keys.append(_load(PacketField.SOURCE, source))
        pick = _expression(
            "hash", be32(1, source), be32(2, slot), be32(3, 4), be32(4, action.count), be32(5, 0)
        )
    else:
        pick = _expression("numgen", be32(1, slot), be32(2, action.count), be32(3, 1))
    lookup = _expression("lookup", netlink.text(1, action.map), be32(2, _FIRST), be32(3, _FIRST))
    nat = _expression("nat", be32(1, 1), be32(2, 2), be32(3, _FIRST), be32(5, _FIRST + 1))
    return [*keys, pick, lookup, nat]


def _set(table: str, each: nft.Set, number: int) -> netlink.Message:
    body = netlink.text(1, table) + netlink.text(2, each.name)
    body += be32(3, 8 if each.value else 0)
    body += be32(4, _type(each.key)) + be32(5, 4 * len(each.key))
    if each.value:
        body += be32(6, _type(each.value)) + be32(7, 4 * len(each.value))
    body += be32(10, number)
    return _message(_NEW_SET, netlink.CREATE, body, f"set {table} {each.name}")


def _type(kinds: Iterable[SetKind]) -> int:
    """Join type numbers as nft does for concatenations, six bits each."""
    number = 0
    for kind in kinds:
        number = number << 6 | _KINDS[kind]
    return number


def _elements(
    kind: int, table: str, each: nft.Set, elements: Mapping[nft.Value, nft.Value]
) -> Iterator[netlink.Message]:
    """An attribute holds 64 KB at most, so many elements take several messages."""
    key_size, value_size = 4 * len(each.key), 4 * len(each.value)
    with_values = bool(value_size) and kind == _NEW_ELEMENTS
    tail = _data.pack(8 + value_size, 2 | _NESTED, 4 + value_size, 1) if with_values else b""
    size = 12 + key_size + (len(tail) + value_size if with_values else 0)
    head = _data.pack(size, 1 | _NESTED, 8 + key_size, 1 | _NESTED)
    head += struct.pack("=HH", 4 + key_size, 1)
    remaining = iter(elements.items())
    while part := list(itertools.islice(remaining, _ELEMENTS_A_MESSAGE)):
        packed: list[bytes] = []
        for key, value in part:
            packed += (head, _pack(each.key, key))
            if with_values:
                packed += (tail, _pack(each.value, value))
        body = netlink.text(1, table) + netlink.text(2, each.name) + nested(3, *packed)
        flags = netlink.CREATE if kind == _NEW_ELEMENTS else 0
        yield _message(kind, flags, body, f"elements of {table} {each.name}")


def _pack(kinds: tuple[SetKind, ...], value: nft.Value) -> bytes:
    """Each part fills a register of four bytes."""
    return b"".join(map(_pack_part, kinds, value))


@functools.lru_cache(maxsize=65536)
def _pack_part(kind: SetKind, part: str | int) -> bytes:
    match kind:
        case SetKind.ADDRESS:
            return ipaddress.IPv4Address(part).packed
        case SetKind.PROTOCOL:
            return bytes([_PROTOCOLS[str(part)], 0, 0, 0])
        case SetKind.PORT:
            return struct.pack(">Hxx", part)
        case SetKind.NUMBER:
            return struct.pack("=I", part)
