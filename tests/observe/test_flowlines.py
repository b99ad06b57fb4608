"""Segments to lines: kinds, requests one by one, ends, and any noise at all."""

from hypothesis import given, strategies as st

from lateen.model.labapi.traffic import Flow
from lateen.observe.packets import flowlines
from lateen.observe.packets.flows import Narrator
from lateen.observe.wire.frames import ACK, FIN, RST, SYN, Address, Segment

WEB, DB = "10.244.0.2", "10.244.0.3"
NAMES = {WEB: "default/web", DB: "shop/db"}


class Wire:
    """One connection, written segment by segment."""

    def __init__(self, client: str = WEB, server: str = DB, port: int = 80) -> None:
        self.ends = (Address(client, 40000), Address(server, port))
        self.seq = [100, 500]
        self.made: list[Segment] = []

    def send(self, side: int, payload: bytes = b"", flags: int = ACK) -> "Wire":
        source, target = self.ends if side == 0 else self.ends[::-1]
        time = float(len(self.made))
        self.made.append(Segment(time, source, target, self.seq[side], 0, flags, payload))
        self.seq[side] += len(payload) + bool(flags & (SYN | FIN))
        return self

    def open(self) -> "Wire":
        return self.send(0, flags=SYN).send(1, flags=SYN | ACK)


def request(path: str = "/", more: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: db\r\n{more}\r\n".encode()


def response(status: int = 200, body: bytes = b"ok") -> bytes:
    return f"HTTP/1.1 {status} OK\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def told(wire: Wire, leg: str = "eth0", **more: object) -> list[Flow]:
    narrator = Narrator("default/web", WEB, **more)
    return [flow for segment in wire.made for flow in narrator.take(segment, leg)]


def test_each_request_and_response_of_a_connection_is_told() -> None:
    wire = Wire().open()
    for number in range(3):
        wire.send(0, request(f"/{number}")).send(1, response(200 + number))
    flows = told(wire)
    assert [f.event for f in flows] == ["request", "response"] * 3
    assert [f.path for f in flows[::2]] == ["/0", "/1", "/2"]
    assert [f.status for f in flows[1::2]] == [200, 201, 202]
    assert {(f.tls, f.kind, f.leg, f.pod) for f in flows} == {
        ("none", "HTTP/1", "wire", "default/web")
    }


def test_more_than_is_kept_of_a_connection_is_told_still() -> None:
    wire = Wire().open()
    for _ in range(400):
        wire.send(0, request("/" + "a" * 200)).send(1, response(body=b"b" * 900))
    assert len(told(wire)) == 800


def test_a_body_that_comes_later_is_not_taken_for_a_message() -> None:
    wire = Wire().open().send(0, request())
    wire.send(1, b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    for _ in range(10):
        wire.send(1, b"GET / HTTP/1.1\r\n\r\n".ljust(10000, b"x"))
    wire.send(0, request("/next"))
    flows = told(wire)
    assert [(f.event, f.path) for f in flows] == [
        ("request", "/"),
        ("response", ""),
        ("request", "/next"),
    ]


def test_the_answer_to_head_is_not_followed_by_a_body() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n"
    wire = Wire().open()
    for _ in range(2):
        wire.send(0, request().replace(b"GET", b"HEAD")).send(1, head)
    assert [f.event for f in told(wire)] == ["request", "response"] * 2


def test_a_request_is_found_again_after_lost_packets() -> None:
    wire = Wire().open().send(0, request("/a")).send(1, response())
    wire.send(0, request("/lost"))
    lost = wire.made.pop()
    for number in range(60):
        wire.send(0, request(f"/{number}")).send(1, response())
    paths = [f.path for f in told(wire) if f.event == "request"]
    assert lost not in wire.made
    assert (paths[0], paths[-1]) == ("/a", "/59")
    assert "/lost" not in paths


def test_a_connection_older_than_the_capture_begins_at_its_next_message() -> None:
    wire = Wire().send(1, b"rest of a body").send(0, request("/a")).send(1, response())
    events = [f.event for f in told(wire)]
    assert events[-2:] == ["request", "response"]


def test_an_older_encrypted_connection_is_what_its_opening_was() -> None:
    older = Flow(
        time=1.0,
        pod="default/web",
        leg="wire",
        client=f"{WEB}:40000",
        server=f"{DB}:80",
        event="handshake",
        tls="mtls",
        kind="TLS",
        sni="outbound_.80_._.db",
    )
    wire = Wire().send(0, b"\x17\x03\x03\x00\x20" + b"x" * 32)
    (flow,) = told(wire, known=lambda client, server: older)
    assert (flow.tls, flow.sni, flow.detail) == (
        "mtls",
        "outbound_.80_._.db",
        "opened before the capture",
    )


def test_a_captured_connection_of_the_pod_itself_is_one() -> None:
    """It goes to where the capture rules lead; its answers come from the server that was meant."""
    wire = Wire().open().send(0, request()).send(1, response()).send(0, flags=FIN | ACK)
    leads = Address("127.0.0.1", 15001)
    numbers = {s.source: s.seq for s in wire.made[:2]}
    wire.made = [
        s._replace(
            target=leads if s.target == wire.ends[1] else s.target,
            ack=numbers[s.target] + 1 if s.flags & ACK else 0,
        )
        for s in wire.made
    ]
    flows = told(wire, "lo")
    assert [(f.event, f.client, f.server) for f in flows] == [
        ("request", f"{WEB}:40000", f"{DB}:80"),
        ("response", f"{WEB}:40000", f"{DB}:80"),
    ]


def test_a_reset_is_told_once() -> None:
    wire = Wire().open().send(0, request()).send(1, flags=RST).send(0, flags=RST)
    flows = told(wire)
    assert [f.event for f in flows] == ["request", "end"]
    assert flows[-1].text == "ended by server RST, the server said nothing"


def test_secrets_are_hidden_unless_asked_for() -> None:
    wire = Wire().open().send(0, request("/?token=abc", "Authorization: Bearer x\r\n"))
    (flow,) = told(wire)
    assert flow.path == "/?token=(redacted)"
    assert ("Authorization", "(redacted)") in flow.headers
    (flow,) = told(wire, secrets=True)
    assert flow.path == "/?token=abc"
    assert ("Authorization", "Bearer x") in flow.headers


def test_what_both_pods_see_is_told_by_the_client() -> None:
    wire = Wire().open().send(0, request()).send(1, response())
    server = Narrator("shop/db", DB, others=frozenset(NAMES))
    assert [f for s in wire.made for f in server.take(s, "eth0")] == []
    assert len(told(wire, others=frozenset(NAMES))) == 2


FLOW = Flow(
    time=0.0,
    pod="default/web",
    leg="wire",
    client=f"{WEB}:40000",
    server=f"{DB}:80",
    event="response",
    tls="mtls",
    kind="HTTP/1",
    status=503,
)


def test_a_line_names_pods_and_says_what_travelled() -> None:
    assert flowlines.line(FLOW, NAMES, "10:00:00") == (
        "10:00:00 wire default/web:40000 > shop/db:80 mtls HTTP/1: -> 503"
    )


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.integers(0, 31),
            st.integers(0, 300),
            st.one_of(
                st.binary(max_size=60),
                st.sampled_from([request(), response(), b"\x16\x03\x01\x00\x05hello", b"PRI * "]),
            ),
        ),
        max_size=40,
    )
)
def test_noise_gives_lines_or_nothing_but_never_raises(
    parts: list[tuple[int, int, int, bytes]],
) -> None:
    ends = (Address(WEB, 40000), Address(DB, 80))
    narrator = Narrator("default/web", WEB)
    for side, flags, seq, payload in parts:
        segment = Segment(0.0, ends[side], ends[1 - side], seq, 0, flags, payload)
        for flow in narrator.take(segment, "lo"):
            assert flow.tls in ("none", "tls", "mtls")
            assert isinstance(flow.text, str)
