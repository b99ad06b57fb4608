"""A registry that is slow, cuts off, lies, refuses: what pulling makes of it."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lateen.base.clock import SystemClock
from lateen.node.oci.errors import ImageError
from lateen.node.oci.remote import pulling
from lateen.node.oci.remote.credentials import Credentials
from lateen.node.oci.remote.pulling import PullSettings
from lateen.node.oci.store import ImageStore
from tests.node import layers
from tests.node.layers import Layer

CUT = 3


class Hostile:
    """A registry with one image, `me/app:1`, that misbehaves as a test asks."""

    def __init__(self, folder: Path) -> None:
        self.layer = Layer().file("a", bytes(range(256)) * 2000).done()
        self.digest = layers.layout(folder, [self.layer], pack=layers.plain)
        self.folder = folder
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refusals: list[tuple[int, dict[str, str], bytes]] = []
        self.change: Callable[[bytes], bytes] = lambda data: data
        self.cuts = 0
        self.ranges = True
        self.host = ""

    def blob(self, path: str) -> bytes:
        digest = self.digest if "/manifests/" in path else path.rpartition("/")[2]
        data = (self.folder / "blobs" / digest.replace(":", "/")).read_bytes()
        return self.change(data) if data == self.layer else data


def _handler(hostile: Hostile) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: Any) -> None:
            pass

        def do_GET(self) -> None:
            given = {name.lower(): value for name, value in self.headers.items()}
            hostile.asked.append((self.path, given))
            if hostile.refusals:
                status, headers, body = hostile.refusals.pop(0)
                self._answer(status, headers, body, len(body))
                return
            data = hostile.blob(self.path)
            start = int(given.get("range", "bytes=0-")[6:].partition("-")[0])
            if not hostile.ranges:
                start = 0
            rest = data[start:]
            sent = rest
            if "/blobs/" in self.path and hostile.cuts and len(data) > 1000:
                hostile.cuts -= 1
                sent = rest[: len(rest) // 2]
            self._answer(206 if start else 200, {}, sent, len(rest))
            if len(sent) < len(rest):
                self.close_connection = True

        def _answer(self, status: int, headers: dict[str, str], body: bytes, length: int) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Hostile]:
    made = Hostile(tmp_path / "layout")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    made.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images", SystemClock())


def pull(store: ImageStore, hostile: Hostile, **config: Any) -> list[float]:
    """Pull the image; return the seconds that were waited between tries."""
    waits: list[float] = []
    way = PullSettings(credentials=Credentials((config,)), rest=waits.append)
    pulling.pull(store, f"{hostile.host}/me/app:1", way, lambda progress: None)
    return waits


def kept(store: ImageStore, hostile: Hostile) -> bytes:
    image = store.find(f"{hostile.host}/me/app:1")
    assert image is not None
    return store.blobs.path(image.manifest.layers[0].digest).read_bytes()


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no-ranges"])
def test_a_connection_that_ends_is_gone_on_from(
    store: ImageStore, hostile: Hostile, ranges: bool
) -> None:
    hostile.cuts, hostile.ranges = CUT, ranges
    pull(store, hostile)
    assert kept(store, hostile) == hostile.layer
    assert sum("range" in given for _, given in hostile.asked) == CUT


def test_a_registry_that_asks_to_wait_is_waited_for(store: ImageStore, hostile: Hostile) -> None:
    hostile.refusals = [(429, {"Retry-After": "7"}, b""), (503, {}, b"")]
    assert pull(store, hostile) == [7.0, 2.0]


def test_a_registry_that_never_lets_in_is_given_up(store: ImageStore, hostile: Hostile) -> None:
    words = json.dumps({"errors": [{"code": "TOOMANYREQUESTS", "message": "slow down"}]}).encode()
    hostile.refusals = [(429, {}, words)] * 5
    with pytest.raises(ImageError, match=r"429 TOOMANYREQUESTS: slow down \(5 tries\)"):
        pull(store, hostile)
    assert store.images() == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-1] + b"x", "have another digest"),
        (lambda data: data + b"more", "has more than the"),
        (lambda data: data[:-10], "bytes; it says"),
    ],
    ids=["digest", "longer", "shorter"],
)
def test_a_registry_that_lies_is_not_believed(
    store: ImageStore, hostile: Hostile, change: Callable[[bytes], bytes], words: str
) -> None:
    hostile.change = change
    with pytest.raises(ImageError, match=words):
        pull(store, hostile)
    assert store.images() == ()
    hostile.change = lambda data: data
    pull(store, hostile)
    assert kept(store, hostile) == hostile.layer


def test_a_refusal_is_told_in_the_registrys_words(store: ImageStore, hostile: Hostile) -> None:
    body = json.dumps({"errors": [{"code": "DENIED", "message": "not yours"}]}).encode()
    hostile.refusals = [(403, {}, body)]
    with pytest.raises(ImageError, match=r"answered 403 DENIED: not yours"):
        pull(store, hostile)


def test_a_token_is_had_where_the_registry_says(store: ImageStore, hostile: Hostile) -> None:
    realm = f"http://{hostile.host}/token"
    asks = {
        "WWW-Authenticate": f'Bearer realm="{realm}",service="s",scope="repository:me/app:pull"'
    }
    hostile.refusals = [(401, asks, b""), (200, {}, b'{"token": "t"}')]
    pull(store, hostile, auths={hostile.host: {"username": "u", "password": "p"}})
    place, given = hostile.asked[1]
    assert place == "/token?scope=repository%3Ame%2Fapp%3Apull&service=s"
    assert given["authorization"].startswith("Basic ")
    assert all(one["authorization"] == "Bearer t" for _, one in hostile.asked[2:])


def test_a_credential_goes_to_no_other_host(store: ImageStore, hostile: Hostile) -> None:
    asks = {"WWW-Authenticate": 'Basic realm="r"'}
    elsewhere = hostile.host.replace("127.0.0.1", "localhost")
    moved = {"Location": f"http://{elsewhere}/v2/me/app/manifests/1"}
    hostile.refusals = [(401, asks, b""), (307, moved, b"")]
    pull(store, hostile, auths={hostile.host: {"username": "u", "password": "p"}})
    first, second, third = (given for _, given in hostile.asked[:3])
    assert "authorization" not in first
    assert "authorization" in second
    assert third["host"] == elsewhere
    assert "authorization" not in third


def test_a_mirror_is_asked_first_and_may_fail(store: ImageStore, hostile: Hostile) -> None:
    way = PullSettings(
        credentials=Credentials(),
        mirrors={"docker.io": ["127.0.0.1:1", hostile.host]},
        rest=lambda seconds: None,
    )
    record = pulling.pull(store, "me/app:1", way, lambda progress: None)
    assert record.name == "docker.io/me/app:1"


def test_a_credential_helper_is_no_file_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    helper = tmp_path / "docker-credential-a" / "b"
    helper.parent.mkdir()
    helper.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    helper.chmod(0o755)
    with pytest.raises(ImageError, match=r"has no slash"):
        Credentials(({"credsStore": "a/b"},)).of("docker.io", "me/app")
    assert not (tmp_path / "ran").exists()
