"""A lab whose plane is of another version than the command: words, never a traceback."""

import http.server
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lateen import __version__
from lateen.app.lab import lab as labs
from lateen.app.lab.lab import Running
from lateen.app.lab.paths import LabPaths
from lateen.cli import exits
from lateen.cli.lab import status
from lateen.cli.traffic import capture, curl, edges
from lateen.model.client import ApiError
from lateen.model.labapi.contract import VERSION_HEADER

OLDER = {
    "/lateen/v1/status": {
        "lab": "t",
        "istio": "1.17",
        "revision": 7,
        "pending": False,
        "pods": [{"uid": "u", "ready": True}],
        "proxies": [],
        "diagnostics": [],
        "gateways": [],
    },
    "/lateen/v1/edges": {"edges": [{"source": "a/b", "target": "c/d"}]},
    "/lateen/v1/request": {"request": {}, "response": {"status": 200}},
    "/lateen/v1/capture": {"flows": [{"of": "another form"}]},
}
POD = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u"},
    "spec": {"containers": [{"name": "istio-proxy"}]},
    "status": {"phase": "Running", "podIP": "10.0.0.1"},
}
Answering = Callable[..., Path]


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    """Serve answers of an older plane on a lab's socket, under a version or none."""
    servers: list[socketserver.BaseServer] = []

    def serve(version: str | None, status: int = 200) -> Path:
        class Older(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                own: Any = OLDER.get(self.path.partition("?")[0], {"items": [POD]})
                own = own if status == 200 else {}
                body = json.dumps(own).encode()
                self.send_response(status)
                if version is not None:
                    self.send_header(VERSION_HEADER, version)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def address_string(self) -> str:
                return "a client"

            def log_message(self, format: str, *args: object) -> None:
                pass

        paths = LabPaths("t", tmp_path, tmp_path)
        server = socketserver.UnixStreamServer(str(paths.api_socket), Older)
        servers.append(server)
        paths.admin_token.write_text("token")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running = Running(paths, 1)
        monkeypatch.setattr(labs, "find", lambda _lab: running)
        return tmp_path

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("version", [None, "0.0.9"])
def test_status_of_an_older_plane_is_shown(
    version: str | None, answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(version)
    assert exits.guarded(lambda: status.status("t", "")) == exits.OK
    shown = capsys.readouterr()
    assert shown.out.startswith("✔ lab t, Istio 1.17: pods ready 1/1")
    assert shown.err.count("[LTN0047]") == 1
    assert "lateen down --keep" in shown.err
    assert (version or "of an older version") in shown.err


COMMANDS = {
    "edges": lambda: edges.edges("t", "", "", ""),
    "curl": lambda: curl.curl("t", curl.CurlOptions(url="http://web/")),
    "capture": lambda: capture.capture("t", capture.CaptureOptions(since="5m")),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("version", [None, __version__])
def test_what_an_older_plane_does_not_tell_is_said(
    version: str | None, name: str, answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(version)
    assert exits.guarded(COMMANDS[name]) == exits.FAILED
    said = capsys.readouterr().err
    assert "fault in Lateen" not in said
    last = said.splitlines()[-1]
    assert last.startswith("error: the lab's control plane is Lateen ")
    assert last.endswith("[LTN0047]")


def test_the_same_version_is_nothing_to_speak_of(
    answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(__version__)
    assert exits.guarded(lambda: status.status("t", "")) == exits.OK
    assert not capsys.readouterr().err


def test_a_fault_that_names_no_version_is_not_another_version(
    answering: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    answering(None, 500)
    with pytest.raises(ApiError, match="the server answered 500"):
        status.status("t", "")
    assert "LTN0047" not in capsys.readouterr().err
