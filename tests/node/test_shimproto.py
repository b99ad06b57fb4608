"""Frames survive any cutting; values survive the wire."""

import contextlib
import json

import pytest
from hypothesis import given, strategies as st

from lateen.node.shim import protocol
from lateen.node.shim.protocol import ContainerSpec, Mount, Process

frames = st.lists(
    st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=20))),
    max_size=6,
)


@given(frames, st.lists(st.integers(1, 9), min_size=1, max_size=50))
def test_frames_come_out_as_they_went_in(sent: list[dict[str, object]], cuts: list[int]) -> None:
    data = b"".join(protocol.encode(frame) for frame in sent)
    decoder, received, at = protocol.Decoder(), [], 0
    for index in range(len(data)):
        size = cuts[index % len(cuts)]
        received += decoder.feed(data[at : at + size])
        at += size
    assert received == sent


@given(st.binary(max_size=64))
def test_junk_is_refused_or_waited_for(data: bytes) -> None:
    decoder = protocol.Decoder()
    with contextlib.suppress(protocol.BadFrame):
        frames = decoder.feed(data)
        assert all(isinstance(frame, dict) for frame in frames)


def test_a_frame_has_a_limit() -> None:
    with pytest.raises(protocol.BadFrame, match="are allowed"):
        protocol.encode({"a": "x" * protocol.FRAME_LIMIT})
    with pytest.raises(protocol.BadFrame, match="are allowed"):
        protocol.Decoder().feed(b"\xff\xff\xff\xff")


def test_specs_and_processes_cross_the_wire() -> None:
    spec = ContainerSpec(
        argv=("a", "b"),
        env=("X=1",),
        files=(("/etc/hosts", "text"),),
        mounts=(Mount("/a", "/b", True), Mount("", "/c")),
        capabilities=(),
        groups=(1, 2),
    )
    assert protocol.spec_from(json.loads(json.dumps(spec._asdict()))) == spec
    process = Process("p/c/0", 5, "exited", 1, 2, 137, 9)
    assert protocol.process_from(json.loads(json.dumps(process._asdict()))) == process


@pytest.mark.parametrize("raw", [{}, {"argv": []}, {"argv": ["a"], "more": 1}, {"argv": 1}])
def test_bad_specs_are_refused(raw: dict[str, object]) -> None:
    with pytest.raises(protocol.BadFrame):
        protocol.spec_from(raw)


def test_handles() -> None:
    assert protocol.handle("uid", "app", 3) == "uid/app/3"
    assert protocol.parse_handle("uid/app/3#exec-1") == ("uid", "app", 3)
    with pytest.raises(ValueError, match=r"."):
        protocol.parse_handle("uid/app")


def test_a_command_takes_over_what_it_leaves_open() -> None:
    container = ContainerSpec(("a",), ("X=1",), "/work", uid=7, gid=8, capabilities=(1,))
    asked = ContainerSpec(argv=("sh",), tty=True)
    got = protocol.command_spec(asked, container)
    assert (got.argv, got.env, got.cwd) == (("sh",), ("X=1", "TERM=xterm"), "/work")
    assert (got.uid, got.gid, got.capabilities) == (7, 8, (1,))
    own = ContainerSpec(argv=("sh",), env=("Y=2",), cwd="/", capabilities=())
    assert protocol.command_spec(own, container)._replace(uid=0, gid=0) == own
