"""A real API server on a free port, pods that are real local processes, and real kubectls."""

import asyncio
import contextlib
import importlib.util
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lateen.apiserver.access import auth
from lateen.apiserver.connecting import streams
from lateen.apiserver.serving import http, kubeconfig, serve
from lateen.apiserver.writing import verbs
from lateen.base.clock import SystemClock
from lateen.model.client import ApiError
from lateen.pki.authority import Authority
from lateen.store.memory import MemoryStore
from tests import first_namespaces, go_programs

FETCHED = Path(__file__).parents[2] / ".venv" / "kubectl"
"""Where `./run test` puts what tools/kubectl.py fetched."""


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"contract_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CONTRACTS = Path(__file__).parents[1] / "contracts"
CHECKS = [
    check for name in ("client.py", "followers.py") for check in _load(CONTRACTS / name).CHECKS
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "check" in metafunc.fixturenames:
        metafunc.parametrize("check", CHECKS, ids=lambda check: check.__name__)


Json = dict[str, Any]
TOKEN = "a-token-for-tests"
VERSIONS = ("1.37", "1.32")


@dataclass
class LocalRunning:
    """A process of this machine, reached by descriptors."""

    process: asyncio.subprocess.Process
    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    tty: bool = False

    async def wait(self) -> int:
        code = await self.process.wait()
        return 128 - code if code < 0 else code

    async def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class LocalPods:
    """PodStreams without a lab: commands run beside the test, ports are the test's own."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.running: set[str] = set()

    async def exec(
        self, pod: Json, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> LocalRunning:
        if shutil.which(command[0]) is None:
            raise ApiError(
                500,
                "InternalError",
                f'exec failed: "{command[0]}": executable file not found in $PATH',
            )
        if tty:
            return await self._terminal(command, stdin=stdin)
        out, child_out = os.pipe()
        err, child_err = os.pipe()
        child_in, into = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), -1)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=child_in, stdout=child_out, stderr=child_err, start_new_session=True
        )
        for fd in (child_in, child_out, child_err):
            os.close(fd)
        return LocalRunning(process, into, out, err)

    async def _terminal(self, command: Sequence[str], *, stdin: bool) -> LocalRunning:
        master, slave = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            "setsid", "--ctty", *command, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        return LocalRunning(process, master if stdin else -1, master, -1, tty=True)

    async def attach(self, pod: Json, container: str, *, stdin: bool, tty: bool) -> LocalRunning:
        reading = "while read line; do case $line in exit*) $line;; *) echo $line;; esac; done"
        command = ("sh", "-c", f"echo attached; {reading}" if stdin else "echo attached; exit 3")
        return await self.exec(pod, container, command, stdin=stdin, tty=tty)

    def log(self, pod: Json, container: str, *, previous: bool) -> streams.ContainerLog | None:
        name = f"{pod['metadata']['name']}_{container}{'.previous' if previous else ''}"
        path = self.logs / name
        return streams.ContainerLog(path, name in self.running) if path.exists() else None

    def log_shown(self, log: Path, size: int) -> None:
        """Nothing here is attached to a second time."""

    def say(self, name: str, text: str, stream: str = "stdout", stamp: str = "") -> None:
        """Write one line to a container's log (`pod_container`)."""
        stamp = stamp or SystemClock().now().strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        with (self.logs / name).open("a") as file:
            file.write(f"{stamp} {stream} F {text}\n")

    async def port_forward(self, pod: Json, port: int) -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
        except OSError:
            made.close()
            raise
        return made


class Accounts:
    """Tokens of ServiceAccounts that are simply their names: issuer and authenticator."""

    def issue(
        self, namespace: str, name: str, uid: str, audiences: tuple[str, ...], seconds: int
    ) -> str:
        return f"account:{namespace}:{name}:{uid}"

    def jwks(self) -> Json:
        return {"keys": []}

    def authenticate(self, token: str, audience: str = "") -> auth.User | None:
        if audience or not token.startswith("account:"):
            return None
        _, namespace, name, uid = token.split(":")
        return auth.service_account(namespace, name, uid)


class InProcess:
    """The application without sockets: one request, one answer. The token `t` is the owner's."""

    def __init__(self, users: Mapping[str, auth.User]) -> None:
        self.api = verbs.Api(MemoryStore(), SystemClock())
        self.app = http.build_app(self.api, None, auth.FixedTokens({"t": auth.ADMIN, **users}))
        self.headers: dict[str, str] = {}
        self("POST", "/api/v1/namespaces", {"metadata": {"name": "default"}})
        self("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})

    def __call__(
        self, method: str, path: str, body: Any = None, token: str = "t", **headers: str
    ) -> tuple[int, Json]:
        sent: list[Any] = []
        data = b"" if body is None else json.dumps(body).encode()

        async def receive() -> Json:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        plain, _, query = path.partition("?")
        given = {"authorization": f"Bearer {token}", **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": plain,
            "raw_path": plain.encode(),
            "query_string": query.encode(),
            "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in given.items()],
        }
        asyncio.run(self.app(scope, receive, send))
        self.headers = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        text = b"".join(one.get("body", b"") for one in sent)
        return sent[0]["status"], json.loads(text) if text[:1] == b"{" else {"text": text}


@pytest.fixture(scope="session")
def in_process() -> type[InProcess]:
    """Make an application without sockets, with users by their tokens."""
    return InProcess


@dataclass
class Running:
    """The server under test; `api` may be used from its own loop only (see `call`)."""

    api: verbs.Api
    pods: LocalPods
    port: int
    ca_pem: str
    kubeconfig: Path
    unix: Path
    loop: asyncio.AbstractEventLoop
    token: str = TOKEN
    kubectls: dict[str, str] = field(default_factory=dict)

    def call(self, function: Callable[[], Any]) -> Any:
        """Run something in the server's loop and return its result."""

        async def inside() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(inside(), self.loop).result(10)

    def create(self, resource: str, body: Any, namespace: str = "") -> None:
        """Create an object at once: what a test begins with."""
        target = self.api.target(resource, namespace)
        self.call(lambda: self.api.create(target, body, verbs.WriteOptions()))


def _serve(directory: Path, ready: "list[Running]", started: threading.Event) -> None:
    async def main() -> None:
        clock = SystemClock()
        api = verbs.Api(MemoryStore(), clock)
        first_namespaces.ensure(api)
        authority = Authority.open(directory / "ca", clock)
        made = authority.server_certificate(["127.0.0.1", "localhost"])
        files = serve.Tls(certificate=directory / "tls.crt", key=directory / "tls.key")
        files.certificate.write_text(made.chain_pem)
        files.key.write_text(made.key_pem)
        logs = directory / "logs"
        logs.mkdir()
        pods = LocalPods(logs)
        accounts = Accounts()
        tokens = auth.FirstOf(auth.FixedTokens({TOKEN: auth.ADMIN}), accounts)
        app = http.build_app(api, pods, tokens, issuer=accounts)
        server = serve.ApiServer(app)
        listener = serve.loopback(0)
        await server.listen(listener, files)
        await server.listen(serve.unix(directory / "api.sock"))
        port = listener.getsockname()[1]
        config = directory / "kubeconfig"
        text = kubeconfig.content(
            name="lateen",
            server=f"https://127.0.0.1:{port}",
            ca_pem=authority.root_pem.encode(),
            token=TOKEN,
        )
        kubeconfig.write(config, text)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        running = Running(api, pods, port, authority.root_pem, config, directory / "api.sock", loop)
        ready.append(running)
        ready.append(stop)
        started.set()
        await stop.wait()
        await server.close()

    asyncio.run(main())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server in a thread of its own, one per test module."""
    ready: list[Any] = []
    started = threading.Event()
    directory = tmp_path_factory.mktemp("api")
    thread = threading.Thread(target=_serve, args=(directory, ready, started), daemon=True)
    thread.start()
    assert started.wait(10), "the API server did not start"
    running, stop = ready
    yield running
    running.loop.call_soon_threadsafe(stop.set)
    thread.join(10)


def find_kubectl(version: str) -> str:
    """Find a kubectl: in LATEEN_KUBECTL (paths joined by a colon), .venv/kubectl, on the PATH."""
    named = [p for p in os.environ.get("LATEEN_KUBECTL", "").split(":") if p.endswith(version)]
    found = [*named, str(FETCHED / f"kubectl-{version}"), shutil.which(f"kubectl-{version}") or ""]
    for path in found:
        if path and Path(path).exists():
            return path
    raise pytest.UsageError(
        f"no kubectl {version}: put kubectl-{version} on the PATH or name it in LATEEN_KUBECTL"
    )


@dataclass(frozen=True)
class Kubectl:
    """A real kubectl against the server under test, in a namespace of its own."""

    path: str
    version: str
    config: Path
    home: Path
    namespace: str

    def __call__(
        self,
        *arguments: str,
        stdin: str = "",
        code: int | None = 0,
        timeout: float = 30,
        **env: str,
    ) -> "Output":
        done = subprocess.run(
            [self.path, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=self.environment | env,
        )
        result = Output(done.stdout, done.stderr, done.returncode)
        if code is not None:
            assert done.returncode == code, f"kubectl {' '.join(arguments)}: {result}"
        return result

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start one that keeps running."""
        return subprocess.Popen(
            [self.path, *arguments],
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            **options,
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KUBECONFIG": str(self.config),
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "POD_NAMESPACE": self.namespace,
            **go_programs.UNHURRIED,
        }


@dataclass(frozen=True)
class Output:
    out: str
    err: str
    code: int

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The home of each kubectl: what it has asked of the server once it keeps there, for a person
    from command to command and for a module from test to test."""
    made: dict[str, Path] = {}

    def of(version: str) -> Path:
        if version not in made:
            made[version] = tmp_path_factory.mktemp(f"home-{version}")
        return made[version]

    return of


@pytest.fixture(params=VERSIONS)
def kubectl(
    request: pytest.FixtureRequest,
    server: Running,
    homes: Callable[[str], Path],
    tmp_path: Path,
) -> Kubectl:
    """Each kubectl in turn, with a fresh namespace as its default."""
    version = request.param
    name = f"t{abs(hash(request.node.nodeid)) % 10**8}"
    config = tmp_path / "kubeconfig"
    text = server.kubeconfig.read_text()
    kubeconfig.write(config, text.replace("namespace: default", f"namespace: {name}"))
    server.create("namespaces", {"metadata": {"name": name}})
    return Kubectl(find_kubectl(version), version, config, homes(version), name)
