"""The images of Istio's own samples, under the names of their newest registry's releases. Pure."""

import shlex
from collections.abc import Mapping
from types import MappingProxyType

from msgspec.structs import replace

from lateen.node.images import speech
from lateen.node.images.flags import parse_flags
from lateen.node.images.spec import ImageContext, ImageSpec, Launch, Program
from lateen.node.images.web import listening, server

WRAPPERS = frozenset({"docker-entrypoint.sh", "entrypoint.sh", "tini", "dumb-init"})
"""Programs that only start what follows them."""


def web_image(
    kind: str,
    ports: tuple[int, ...],
    program: str,
    start: Program,
    words: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
) -> ImageSpec:
    """Return a row whose one program is a web server."""
    return ImageSpec(
        name="",
        kind=kind,
        entrypoint=(program,),
        cmd=words,
        env=env or {},
        ports=ports,
        programs={program.rsplit("/", 1)[-1]: start},
        wrappers=WRAPPERS,
    )


def _helloworld(version: str) -> ImageSpec:
    start = server(
        "helloworld",
        (5000,),
        port_flags=("b", "bind"),
        variables=(("SERVICE_VERSION", "version"),),
    )
    row = web_image("helloworld", (5000,), "gunicorn", start, env={"SERVICE_VERSION": version})
    # Older images run the program itself: `python /opt/microservices/app.py`.
    return replace(
        row, cmd=("-b", "[::]:5000", "app:app"), programs={**row.programs, "python": start}
    )


def _bookinfo(service: str, version: str) -> ImageSpec:
    variables = (("SERVICE_VERSION", "version"),)
    kind = f"bookinfo-{service}"
    start = server(kind, (9080,), port_flags=("b", "bind"), variables=variables)
    return web_image(kind, (9080,), service, start, env={"SERVICE_VERSION": version})


def _tcp_echo(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
    named = words[0].split(",") if words else []
    ports = tuple(speech.plaintext("tcp-echo", int(port)) for port in named if port.isdigit())
    return Launch((*ctx.python, "-m", "lateen.node.standins.tcp.echo", *words), listens=ports)


def _database(kind: str, module: str, port: int) -> ImageSpec:
    def start(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
        argv = (*ctx.python, "-m", f"lateen.node.standins.tcp.{module}", str(port))
        return Launch(argv, listens=(speech.plaintext(kind, port),))

    return ImageSpec(
        name="",
        kind=kind,
        entrypoint=("docker-entrypoint.sh",),
        cmd=(kind,),
        ports=(port,),
        programs={"docker-entrypoint.sh": start, kind: start},
    )


def _flag_port(flags: Mapping[str, str], name: str, default: int) -> int:
    text = flags.get(name, "").rpartition(":")[2]
    return int(text) if text.isdigit() else default


def _jwt_server(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
    flags = parse_flags(words)
    ports = [speech.plaintext("jwt-server", _flag_port(flags, "http", 8000))]
    argv = [*ctx.python, "-m", "lateen.node.standins.web", "--kind", "jwt-server"]
    if flags.get("cert") and flags.get("key"):
        ports.append(speech.secured("jwt-server", _flag_port(flags, "https", 8443)))
        argv += ["--certificate", flags["cert"], "--key", flags["key"]]
    return Launch((*argv, *listening(tuple(ports))), listens=tuple(ports))


def _ext_authz(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
    flags = parse_flags(words)
    http, grpc = _flag_port(flags, "http", 8000), _flag_port(flags, "grpc", 9000)
    argv = [*ctx.python, "-m", "lateen.node.standins.web", "--kind", "ext-authz", "--h2c", "yes"]
    argv += ["--port", str(http), "--port", str(grpc), "--option", f"grpc={grpc}"]
    argv += ["--option", f"account={flags.get('allow_service_account', 'a')}"]
    listens = (speech.plaintext("ext-authz", http), speech.plaintext("ext-authz-grpc", grpc))
    return Launch(tuple(argv), listens=listens)


_FORTIO = "/usr/bin/fortio"
_fortio_server = server("fortio", (8080,), port_flags=("http-port",))


def _fortio(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
    """fortio: its echo server, or its client; `kubectl exec` finds the client where the image has
    it."""
    module = "lateen.node.standins.clients.fortio"
    script = f'#!/bin/sh\nexec {shlex.join(ctx.python)} -m {module} "$@"\n'
    files = {f"{ctx.root}{_FORTIO}": script}
    if words and words[0] != "server":
        return Launch((*ctx.python, "-m", module, *words), files, None)
    launch = _fortio_server(ctx, words)
    return Launch(launch.argv, files, launch.listens)


_ROWS: dict[str, ImageSpec] = {
    "fortio/fortio": ImageSpec(
        name="",
        kind="fortio",
        entrypoint=(_FORTIO,),
        cmd=("server",),
        ports=(8080,),
        programs={"fortio": _fortio},
    ),
    "istio/examples-helloworld-v1": _helloworld("v1"),
    "istio/examples-helloworld-v2": _helloworld("v2"),
    "istio/tcp-echo-server": ImageSpec(
        name="",
        kind="tcp-echo",
        entrypoint=("/bin/tcp-echo",),
        cmd=("9000", "hello"),
        ports=(9000,),
        programs={"tcp-echo": _tcp_echo},
    ),
    "istio/examples-bookinfo-mongodb": _database("mongod", "mongo", 27017),
    "istio/examples-bookinfo-mysqldb": _database("mysqld", "mysql", 3306),
    "istio/jwt-server": web_image("jwt-server", (8000, 8443), "/bin/jwt-server", _jwt_server),
    "istio/ext-authz": web_image("ext-authz", (8000, 9000), "/ext-authz", _ext_authz),
    **{
        f"istio/examples-bookinfo-{service}-{version}": _bookinfo(service, version)
        for service, versions in (
            ("productpage", ("v1", "v-flooding")),
            ("details", ("v1", "v2")),
            ("ratings", ("v1", "v2", "v-faulty", "v-delayed", "v-unavailable", "v-unhealthy")),
            ("reviews", ("v1", "v2", "v3")),
        )
        for version in versions
    },
}

SAMPLES: Mapping[str, ImageSpec] = MappingProxyType(_ROWS)
"""Each image by the name it is known by."""
