"""A real registry on loopback, and images that the tests push to it."""

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import programs
from tests.node import layers
from tests.node.layers import Layer

USER, PASSWORD = "reader", "secret"
_BCRYPT = "$2b$04$VzwZY5HM8lM8kF2CAYLeweXW/4H5kOT/PabEGrhjENb9RbtfESseW"
"""Of the password: a registry takes no other form."""
APPLETS = ("sh", "cat", "id", "ls", "sleep", "httpd", "wget", "touch", "mount", "ps", "kill")


class Registry:
    """A registry that runs; `host` is what images are called by."""

    def __init__(self, host: str, *, guarded: bool) -> None:
        self.host = host
        self._guarded = guarded

    def push(self, name: str, folder: Path) -> str:
        """Push the image of an OCI layout under `repository:tag`; return its full name."""
        repository, _, tag = name.partition(":")
        entry = json.loads((folder / "index.json").read_text())["manifests"][0]
        manifest = _blob(folder, entry["digest"])
        parts = json.loads(manifest)
        for part in (parts["config"], *parts["layers"]):
            place = self._send("POST", f"/v2/{repository}/blobs/uploads/", b"").headers["Location"]
            joint = "&" if "?" in place else "?"
            target = f"{place}{joint}digest={part['digest']}"
            self._send("PUT", target, _blob(folder, part["digest"]), "application/octet-stream")
        self._send("PUT", f"/v2/{repository}/manifests/{tag}", manifest, entry["mediaType"])
        return f"{self.host}/{name}"

    def _send(self, method: str, place: str, body: bytes, kind: str = "") -> Any:
        url = place if "://" in place else f"http://{self.host}{place}"
        request = urllib.request.Request(url, body, method=method)
        if kind:
            request.add_header("Content-Type", kind)
        if self._guarded:
            request.add_header("Authorization", "Basic " + auth())
        return urllib.request.urlopen(request, timeout=10)


def auth() -> str:
    return base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def _blob(folder: Path, digest: str) -> bytes:
    return (folder / "blobs" / digest.replace(":", "/")).read_bytes()


@contextmanager
def registry(*, guarded: bool = False) -> Iterator[Registry]:
    """Run a registry, with a password or without."""
    program = programs.require("docker-registry")
    home = Path(tempfile.mkdtemp(prefix="lt-registry-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    (home / "passwords").write_text(f"{USER}:{_BCRYPT}\n")
    lines = [
        "version: 0.1",
        "log: {level: error}",
        f"storage: {{filesystem: {{rootdirectory: {home}/data}}}}",
        f"http: {{addr: '{host}'}}",
    ]
    if guarded:
        lines.append(f"auth: {{htpasswd: {{realm: test, path: {home}/passwords}}}}")
    (home / "config.yml").write_text("\n".join(lines))
    running = subprocess.Popen(
        [program, "serve", str(home / "config.yml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _answers(host)
        yield Registry(host, guarded=guarded)
    finally:
        running.terminate()
        running.wait()
        shutil.rmtree(home)


def _answers(host: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://{host}/v2/", timeout=1)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail("the registry does not answer")


def busybox() -> Layer:
    """Return a layer with a shell and its usual programs, and two accounts."""
    program = Path(programs.require("busybox")).read_bytes()
    if b"/lib64/ld-linux" in program[:4096]:
        pytest.skip("busybox is not a static one: apt-get install -y busybox-static")
    layer = Layer().folder("bin").file("bin/busybox", program, mode=0o755)
    for name in APPLETS:
        layer.link(f"bin/{name}", "busybox")
    accounts = "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n"
    layer.folder("etc").file("etc/passwd", accounts).file("etc/group", "www:x:34:\nlog:x:35:web\n")
    return layer.folder("tmp", mode=0o1777).folder("www")


def site(folder: Path, page: str, **process: Any) -> Path:
    """Make a layout of an image that serves a page on 8080."""
    above = Layer().file("www/index.html", page).file("www/.wh.old", "").done()
    below = busybox().file("www/old", "old").done()
    given = {
        "Entrypoint": ["/bin/httpd", "-f", "-v", "-p", "8080"],
        "Cmd": ["-h", "/www"],
        "Env": ["SITE=image", "PATH=/bin"],
        "User": "web",
        "WorkingDir": "/www",
        "StopSignal": "SIGINT",
        **process,
    }
    layers.layout(folder, [below, above], process=given, pack=layers.zstandard)
    return folder


def nginx(folder: Path) -> Path:
    """Make a layout of an image with this machine's nginx: its workers run as another user."""
    program = programs.require("nginx")
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    layer = busybox()
    for library in sorted({word for word in told.split() if word.startswith("/")}):
        layer.file(library.lstrip("/"), Path(library).read_bytes(), mode=0o755)
    layer.file("usr/sbin/nginx", Path(program).read_bytes(), mode=0o755)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path /tmp/{kind};" for kind in kinds)
    settings = (
        "user web www; worker_processes 2; error_log stderr; pid /run/nginx.pid; events {}"
        f" http {{ access_log /dev/stdout; {paths} server {{ listen 80; root /www; }} }}"
    )
    layer.folder("run").folder("var/log/nginx").folder("var/lib/nginx/body", uid=33)
    layer.file("etc/nginx/nginx.conf", settings).file("www/index.html", "a real nginx\n")
    process = {
        "Entrypoint": ["/usr/sbin/nginx"],
        "Cmd": ["-g", "daemon off;"],
        "StopSignal": "SIGQUIT",
    }
    layers.layout(folder, [layer.done()], process=process)
    return folder
