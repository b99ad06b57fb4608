"""The Internet checksum (RFC 1071). Pure."""

from lateen.node.standins.tcpdump.packet import IpHeader


def checksum(data: bytes) -> int:
    """Return the complement of the one's complement sum of the data's 16-bit words."""
    if len(data) % 2:
        data += b"\0"
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def transport(data: bytes, network: IpHeader, at: int) -> int:
    """Return the checksum that a segment should carry, whose own field is `at` bytes into it."""
    segment = bytearray(data[network.payload : network.payload + network.length])
    segment[at : at + 2] = b"\0\0"
    length = len(segment).to_bytes(4, "big")
    pseudo = network.source + network.target + length + network.protocol.to_bytes(4, "big")
    return checksum(pseudo + bytes(segment))
