"""What is read from a ClientHello, against those that Python's own TLS writes."""

import ssl

from hypothesis import given, strategies as st

from lateen.node.standins import clienthello

NAMES = st.lists(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30),
    min_size=1,
    max_size=6,
)


def hello(names: list[str], server_name: str = "a.example") -> bytes:
    """Return the first record of a client that offers these protocols."""
    context = ssl.create_default_context()
    if names:
        context.set_alpn_protocols(names)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("nobody answered")


@given(NAMES)
def test_what_is_offered_is_read(names: list[str]) -> None:
    record = hello(names)
    assert clienthello.record_length(record[:5]) == len(record)
    assert clienthello.offered_protocols(record) == tuple(names)


def test_no_offer_is_none() -> None:
    assert clienthello.offered_protocols(hello([])) is None


@given(NAMES, st.data())
def test_cut_or_changed_bytes_raise_nothing(names: list[str], data: st.DataObject) -> None:
    record = bytearray(hello(names))
    record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    clienthello.offered_protocols(bytes(record[: data.draw(st.integers(0, len(record)))]))
    clienthello.record_length(bytes(record[:5]))
