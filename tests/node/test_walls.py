"""What keeps containers in, part by part: ids, places, filters, what is theirs of the host."""

import contextlib
import errno
import os
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lateen.node.container import launch
from lateen.node.images import folders
from lateen.node.shim.protocol import ContainerSpec
from lateen.node.shim.walls import base, ids, places, seccomp, subordinate

LABS = st.text("abcdefghij-", min_size=1, max_size=8)
RANGES = st.lists(st.tuples(st.integers(0, 0x80000000), st.integers(1, 0x10000000)), max_size=6)


@given(lab=LABS, taken=RANGES)
def test_a_labs_ids_are_nobody_elses(lab: str, taken: list[tuple[int, int]]) -> None:
    first = ids.choose(lab, taken)
    assert first == ids.choose(lab, list(reversed(taken)))
    if first is None:
        assert taken
        return
    assert first >= 1 << 16
    assert first + ids.COUNT <= 1 << 31
    for other, number in taken:
        assert first + ids.COUNT <= other or other + number <= first


def test_labs_have_ids_of_their_own_and_may_be_left_without() -> None:
    assert len({ids.choose(f"lab-{n}", []) for n in range(50)}) > 45
    assert ids.choose("a", [(0, 1 << 32)]) is None


def test_the_files_that_give_ids_away_are_read() -> None:
    lines = ["# who", "ann:100000:65536", "bob:x:1000:1000:Bob:/home/bob:/bin/sh", "bad:1", "c:a:b"]
    assert ids.parse(lines) == [(100000, 65536), (1000, 1)]
    assert ids.parse(["staff:x:50:ann,bob"]) == [(50, 1)]


def test_subordinate_ids_are_a_large_range_of_the_user() -> None:
    lines = ["# who", "eve:1:65536", "ann:5:10", "ann:100000:65536", "ann:300000:65536"]
    assert subordinate.first_of(lines, ("ann", "1000")) == 100000
    assert subordinate.first_of(["1000:200000:65535"], ("ann", "1000")) == 200000
    assert subordinate.first_of(["annabel:1:65536", "ann:x:65536"], ("ann", "1000")) is None


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A root with a directory beside it that nothing may get into."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside").mkdir()
    fd = os.open(root, os.O_PATH)
    yield fd, root
    os.close(fd)
    assert not list((tmp_path / "outside").iterdir())


def at(fd: int) -> str:
    found = os.readlink(f"/proc/self/fd/{fd}")
    os.close(fd)
    return found


def test_places_are_made_inside_whatever_links_there_are(tree: tuple[int, Path]) -> None:
    fd, root = tree
    for name, target in (("up", "../outside"), ("far", str(root.parent / "outside")), ("on", "/a")):
        (root / name).symlink_to(target)
    assert at(places.directory(fd, "/a/b/c")) == str(root / "a/b/c")
    assert at(places.directory(fd, "/on/d")) == str(root / "a/d")
    with pytest.raises(OSError, match=r".*") as dangling:
        places.directory(fd, "/up/x")
    assert dangling.value.errno in (errno.ENOENT, errno.EEXIST)
    assert at(places.file(fd, "/on/file")) == str(root / "a/file")
    assert at(places.file(fd, "/on/file")) == str(root / "a/file")


NAMES = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(st.sampled_from(["a", "b", "c", "..", "."]), min_size=1, max_size=5)


@given(links=st.dictionaries(NAMES, st.tuples(st.booleans(), STEPS), max_size=3), path=STEPS)
def test_no_path_leaves_a_root(links: dict[str, tuple[bool, list[str]]], path: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root"
        root.mkdir()
        for name, (absolute, steps) in links.items():
            (root / name).symlink_to("/" * absolute + "/".join(steps))
        fd = os.open(root, os.O_PATH)
        found = str(root)
        with contextlib.suppress(OSError):
            found = at(places.directory(fd, os.path.normpath("/" + "/".join(path))))
        os.close(fd)
        assert found == str(root) or found.startswith(f"{root}/")
        assert os.listdir(place) == ["root"]


@pytest.mark.parametrize("sub", ["link", "link/x", "../data2", "deep/up"])
def test_a_sub_path_leads_nowhere_else(sub: str, tmp_path: Path) -> None:
    volume = tmp_path / "data"
    (volume / "deep").mkdir(parents=True)
    (tmp_path / "data2").mkdir()
    (volume / "link").symlink_to(tmp_path / "data2")
    (volume / "deep" / "up").symlink_to("../../data2")
    with pytest.raises(OSError, match="leads out of the volume"):
        places.in_volume(str(volume), sub)
    assert not list((tmp_path / "data2").iterdir())


def test_a_sub_path_is_made_as_its_volume_is(tmp_path: Path) -> None:
    volume = tmp_path / "data"
    volume.mkdir()
    volume.chmod(0o775)
    (volume / "link").symlink_to("a")
    assert at(places.in_volume(str(volume), "a/b")) == str(volume / "a" / "b")
    assert (volume / "a").stat().st_mode & 0o7777 == 0o775
    assert at(places.in_volume(str(volume), "link/c")) == str(volume / "a" / "c")
    assert at(places.in_volume(str(volume), "")) == str(volume)


def test_links_of_proc_lead_nowhere() -> None:
    held = os.open("/usr", os.O_RDONLY | os.O_DIRECTORY)
    before = Path.cwd()
    try:
        with pytest.raises(OSError, match=r".*") as refused:
            places.change_to(f"/proc/self/fd/{held}")
        assert refused.value.errno == errno.ELOOP
        places.change_to("/usr/bin")
        assert Path.cwd() == Path("/usr/bin").resolve()
    finally:
        os.chdir(before)
        os.close(held)


AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
KILLED = "not an answer"


def answer(program: bytes, audit: int, number: int, *arguments: int) -> int:
    """Run a filter as the kernel does; returns what it says of a call."""
    given = [*arguments, *(0,) * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, audit, 0, *given)
    steps = list(struct.iter_unpack("<HBBI", program))
    held = place = 0
    while True:
        code, yes, no, value = steps[place]
        place += 1
        match code:
            case 0x20:
                (held,) = struct.unpack_from("<I", data, value)
            case 0x06:
                return int(value)
            case 0x15:
                place += yes if held == value else no
            case 0x35:
                place += yes if held >= value else no
            case 0x45:
                place += yes if held & value else no
            case _:
                pytest.fail(KILLED)


ALLOWED = 0x7FFF0000
EPERM, ENOSYS, EAFNOSUPPORT = (0x50000 | number for number in (1, 38, 97))


@pytest.mark.parametrize(
    ("machine", "call", "arguments", "said"),
    [
        ("x86_64", 1, (1, 2, 3), ALLOWED),
        ("x86_64", 250, (), EPERM),
        ("x86_64", 425, (), EPERM),
        ("x86_64", 435, (), ENOSYS),
        ("x86_64", 16, (0, 0x5412), EPERM),
        ("x86_64", 16, (0, 0x100005412), EPERM),
        ("x86_64", 16, (0, 0x5413), ALLOWED),
        ("x86_64", 56, (0x01200011,), ALLOWED),
        ("x86_64", 56, (0x11200011,), EPERM),
        ("x86_64", 272, (0x10000000,), EPERM),
        ("x86_64", 41, (2, 1), ALLOWED),
        ("x86_64", 41, (17, 3), ALLOWED),
        ("x86_64", 41, (40, 1), EAFNOSUPPORT),
        ("x86_64", 41, (21, 5), EAFNOSUPPORT),
        ("x86_64", 103, (3,), EPERM),
        ("x86_64", 0x40000001, (), ENOSYS),
        ("aarch64", 219, (), EPERM),
        ("aarch64", 64, (), ALLOWED),
        ("aarch64", 220, (0x10000000,), EPERM),
    ],
)
def test_a_filter_lets_through_what_is_harmless(
    machine: str, call: int, arguments: tuple[int, ...], said: int
) -> None:
    for one_user in (False, True):
        program = seccomp.program(machine, one_user=one_user)
        assert answer(program, AUDIT[machine], call, *arguments) == said
    assert answer(program, 0x40000003, call, *arguments) == ENOSYS, "another architecture's numbers"


def test_who_is_the_only_user_may_ask_to_be_another_and_stays() -> None:
    for number in (92, 105, 106, 116, 117, 119, 260):
        assert answer(seccomp.program("x86_64", one_user=True), AUDIT["x86_64"], number) == 0x50000
        assert answer(seccomp.program("x86_64", one_user=False), AUDIT["x86_64"], number) == ALLOWED
    assert seccomp.program("unheard-of", one_user=True) == b""


def test_accounts_are_those_that_programs_ask_for() -> None:
    lines = ["root:x:0:0:Root:/root:/bin/zsh", "ann:x:1000:1000::/home/ann:/bin/sh", "nonsense"]
    lines.append("www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin")
    assert base.accounts(lines, group=False).splitlines() == [
        "root:x:0:0:root:/root:/bin/sh",
        "www-data:x:33:33:www-data:/nonexistent:/usr/sbin/nologin",
        "istio-proxy:x:1337:1337:istio-proxy:/nonexistent:/usr/sbin/nologin",
    ]
    groups = base.accounts(["root:x:0:ann", "sudo:x:27:ann"], group=True)
    assert groups.splitlines() == ["root:x:0:", "istio-proxy:x:1337:"]


def test_what_lies_in_another_directory_is_not_shown_twice() -> None:
    assert base.outermost(["/a/b", "/a", "/ab", "/a/b/c", "/ab"]) == ("/a", "/ab")


def test_own_directories_are_what_is_imported_and_not_where_we_are() -> None:
    own = base.own_directories()
    assert any(base.__file__.startswith(f"{path}/") for path in own)
    assert not {"/", "/usr", os.getcwd(), os.path.expanduser("~")} & set(own)


FILES = {"/home/ann/app/run.py", "/home/ann/x", "/opt/tool", "/usr/bin/env", "/w/a/b.sh"}
FOLDERS = {"/home", "/home/ann", "/home/ann/app", "/opt", "/w", "/w/a", "/usr", "/"}


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        (["python3", "/home/ann/app/run.py"], ("/home/ann/app",)),
        (["/home/ann/x"], ("/home/ann/x",)),
        (["/opt/tool", "--in", "/w/a", "/", "/home/ann", "/usr/bin/env"], ("/opt/tool", "/w/a")),
        (
            ["/bin/sh", "-c", "cd /home/ann/app&& exec './run.py' >/w/a/b.sh"],
            ("/home/ann/app", "/w/a"),
        ),
        (["/bin/sh", "-c", "echo 'never ends /w/a"], ("/w/a",)),
        (["run", "/w/../home/ann/app", "/no/such"], ()),
    ],
)
def test_a_command_is_shown_its_own_folder(command: list[str], needed: tuple[str, ...]) -> None:
    assert folders.folders(command, FILES.__contains__, FOLDERS.__contains__) == needed


def test_what_a_container_will_read_is_made_for_it() -> None:
    at = f"{launch.CACHE}/nginx.pem"
    made = f"[ -s {at} ] || py -m m --out {at} --subject '/C=a/CN=b c' && exec \"$@\""
    wanted = {"nginx.pem": "/C=a/CN=b c"}
    assert launch.certificates(ContainerSpec(argv=("/bin/sh", "-c", made, "nginx"))) == wanted
    web = ContainerSpec(argv=("py", "--certificate", at, "--option", "subject=/C=a/CN=b c"))
    assert launch.certificates(web) == wanted
    plain = ContainerSpec(argv=("nginx",), files=(("/etc/nginx.conf", f"ssl_certificate {at};"),))
    assert launch.certificates(plain) == {"nginx.pem": "/CN=localhost"}
    assert launch.certificates(ContainerSpec(argv=("/bin/sh", "-c", "echo 'never ends"))) == {}
