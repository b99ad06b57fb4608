"""The images that can be run without a registry: a row per image. Pure."""

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec.structs import replace

from lateen.node.images import nginx, reference
from lateen.node.images.spec import ImageContext, ImageSpec, Launch, Program
from lateen.node.images.web import server

_TAG = "{tag}"
"""Stands for the image's tag in a row's variables."""

_WRAPPERS = frozenset({"docker-entrypoint.sh", "entrypoint.sh", "tini", "dumb-init"})


def _web(
    kind: str,
    ports: tuple[int, ...],
    program: str,
    start: Program,
    words: tuple[str, ...] = (),
) -> ImageSpec:
    return ImageSpec(
        name="",
        kind=kind,
        entrypoint=(program,),
        cmd=words,
        ports=ports,
        programs={program.rsplit("/", 1)[-1]: start},
        wrappers=_WRAPPERS,
    )


def _nginx(kind: str, page: str, ports: tuple[int, ...], tls: tuple[int, ...] = ()) -> ImageSpec:
    return ImageSpec(
        name="",
        kind=kind,
        entrypoint=("/docker-entrypoint.sh",),
        cmd=("nginx", "-g", "daemon off;"),
        ports=ports + tls,
        programs={"nginx": nginx.nginx(kind, page, ports, tls)},
        wrappers=_WRAPPERS,
    )


def _curl_words(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
    """What the curl image's entrypoint does: options and addresses go to curl, commands run."""
    if not words or words[0].startswith("-") or "." in words[0] or ":" in words[0]:
        words = ("curl", *words)
    if words[0] == "curl":
        words = (ctx.installed.get("curl", "curl"), *words[1:])
    return Launch(words)


_COMMAND = ImageSpec(name="", kind="command", cmd=("sh",), wrappers=_WRAPPERS)
_CURL = ImageSpec(
    name="",
    kind="command",
    entrypoint=("/entrypoint.sh",),
    cmd=("curl",),
    programs={"entrypoint.sh": _curl_words},
)
_PAUSE = ImageSpec(
    name="",
    kind="command",
    entrypoint=("/pause",),
    programs={"pause": lambda ctx, words: Launch(("sleep", "infinity"))},
)
_HTTPBIN = _web(
    "httpbin",
    (80,),
    "gunicorn",
    server("httpbin", (80,), port_flags=("b", "bind")),
    ("-b", "0.0.0.0:80", "httpbin:app", "-k", "gevent"),
)
_GO_HTTPBIN = _web(
    "go-httpbin",
    (8080,),
    "/bin/go-httpbin",
    server("go-httpbin", (8080,), port_variables=("PORT",), port_flags=("port",)),
)
_WHOAMI = _web(
    "whoami",
    (80,),
    "/whoami",
    server(
        "whoami",
        (80,),
        port_variables=("WHOAMI_PORT_NUMBER",),
        port_flags=("port",),
        options=("name",),
        variables=(("WHOAMI_NAME", "name"),),
    ),
)
_ECHO_JSON = _web(
    "echo-json", (80,), "/bin/echo-server", server("echo-json", (80,), port_variables=("PORT",))
)
_ECHO_TEXT = _web(
    "echo-text", (8080,), "/bin/echo-server", server("echo-text", (8080,), port_variables=("PORT",))
)
_ECHO_K8S = _web("echo-k8s", (8080,), "/usr/local/bin/run.sh", server("echo-k8s", (8080,)))
_ECHO_BOTH = _web(
    "echo-mendhak",
    (8080, 8443),
    "node",
    server("echo-mendhak", (8080,), tls_ports=(8443,), port_variables=("HTTP_PORT",)),
    ("./index.js",),
)
_HTTP_ECHO = _web(
    "text",
    (5678,),
    "/http-echo",
    server(
        "text",
        (5678,),
        port_flags=("listen",),
        options=("text", "status-code"),
        variables=(("ECHO_TEXT", "text"),),
    ),
)
_HELLO_APP = replace(
    _web(
        "hello-app",
        (8080,),
        "/hello-app",
        server(
            "hello-app",
            (8080,),
            port_variables=("PORT",),
            variables=(("HELLO_APP_VERSION", "version"),),
        ),
    ),
    env={"HELLO_APP_VERSION": f"{_TAG}.0"},
)
_TCP_ECHO = ImageSpec(
    name="",
    kind="tcp-echo",
    entrypoint=("/bin/tcp-echo",),
    cmd=("9000", "hello"),
    ports=(9000,),
    programs={
        "tcp-echo": lambda ctx, words: Launch(
            (*ctx.python, "-m", "lateen.node.standins.tcpecho", *words)
        )
    },
)


def _helloworld(version: str) -> ImageSpec:
    variables = (("SERVICE_VERSION", "version"),)
    start = server("helloworld", (5000,), variables=variables)
    row = _web("helloworld", (5000,), "python", start, ("/opt/microservices/app.py", "5000"))
    return replace(row, env={"SERVICE_VERSION": version})


def _bookinfo(service: str, version: str) -> ImageSpec:
    variables = (("BOOKINFO_VERSION", "version"),)
    kind = f"bookinfo-{service}"
    row = _web(kind, (9080,), service, server(kind, (9080,), variables=variables))
    return replace(row, env={"BOOKINFO_VERSION": version})


_BOOKINFO = {
    f"istio/examples-bookinfo-{service}-{version}": _bookinfo(service, version)
    for service, versions in (
        ("productpage", ("v1",)),
        ("details", ("v1", "v2")),
        ("ratings", ("v1",)),
        ("reviews", ("v1", "v2", "v3")),
    )
    for version in versions
}

_ROWS: dict[str, ImageSpec] = {
    "oriolfilter/https-nginx-demo": _nginx("nginx-demo", nginx.HOWDY, (80,), (443,)),
    "nginx": _nginx("nginx", nginx.WELCOME, (80,)),
    "nginxinc/nginx-unprivileged": _nginx("nginx", nginx.WELCOME, (8080,)),
    "bitnami/nginx": _nginx("nginx", nginx.WELCOME, (8080,)),
    "httpd": _web("httpd", (80,), "httpd-foreground", server("httpd", (80,))),
    "kennethreitz/httpbin": _HTTPBIN,
    "kong/httpbin": _HTTPBIN,
    "mccutchen/go-httpbin": _GO_HTTPBIN,
    "ghcr.io/mccutchen/go-httpbin": _GO_HTTPBIN,
    "traefik/whoami": _WHOAMI,
    "containous/whoami": _WHOAMI,
    "ealen/echo-server": _ECHO_JSON,
    "mendhak/http-https-echo": _ECHO_BOTH,
    "ghcr.io/mendhak/http-https-echo": _ECHO_BOTH,
    "jmalloc/echo-server": _ECHO_TEXT,
    "registry.k8s.io/echoserver": _ECHO_K8S,
    "k8s.gcr.io/echoserver": _ECHO_K8S,
    "gcr.io/google_containers/echoserver": _ECHO_K8S,
    "gcr.io/google-containers/echoserver": _ECHO_K8S,
    "hashicorp/http-echo": _HTTP_ECHO,
    "gcr.io/google-samples/hello-app": _HELLO_APP,
    "us-docker.pkg.dev/google-samples/containers/gke/hello-app": _HELLO_APP,
    "istio/examples-helloworld-v1": _helloworld("v1"),
    "istio/examples-helloworld-v2": _helloworld("v2"),
    "istio/tcp-echo-server": _TCP_ECHO,
    **_BOOKINFO,
    "curlimages/curl": _CURL,
    "quay.io/curl/curl": _CURL,
    "governmentpaas/curl-ssl": _COMMAND,
    "registry.k8s.io/pause": _PAUSE,
    "k8s.gcr.io/pause": _PAUSE,
    "busybox": _COMMAND,
    "alpine": _COMMAND,
    "debian": _COMMAND,
    "ubuntu": _COMMAND,
    "bash": _COMMAND,
    "python": _COMMAND,
    "nicolaka/netshoot": _COMMAND,
}

CATALOGUE: Mapping[str, ImageSpec] = MappingProxyType(_ROWS)
"""Every known image by its familiar name."""


def resolve(image: str, overrides: Mapping[str, Sequence[str]] | None = None) -> ImageSpec | None:
    """Return what runs in place of an image, or None if nothing is known.

    Tag, digest and a Docker Hub prefix do not matter, but an override (image to command, from the
    settings) may name a tag and then goes before one that does not. Raises InvalidImageNameError.
    """
    parsed = reference.parse(image)
    for name, command in _by_precision(overrides or {}):
        wanted = reference.parse(name)
        if wanted.familiar == parsed.familiar and (
            not _has_tag(name) or (wanted.tag, wanted.digest) == (parsed.tag, parsed.digest)
        ):
            return ImageSpec(name=name, kind="command", entrypoint=tuple(command))
    row = CATALOGUE.get(parsed.familiar)
    if row is None:
        return None
    env = {name: value.replace(_TAG, parsed.tag) for name, value in row.env.items()}
    return replace(row, name=parsed.familiar, env=env)


def unknown(image: str) -> str:
    """Say why an image cannot be pulled, and what to do about it."""
    name = reference.parse(image).familiar
    near = difflib.get_close_matches(name, CATALOGUE, n=1, cutoff=0.75)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return (
        f"no stand-in is known for {name}{hint}; name the command that runs instead under `images`"
        " in lateen.yaml"
    )


def _by_precision(
    overrides: Mapping[str, Sequence[str]],
) -> list[tuple[str, Sequence[str]]]:
    return sorted(overrides.items(), key=lambda item: not _has_tag(item[0]))


def _has_tag(image: str) -> bool:
    return ":" in image.rsplit("/", 1)[-1] or "@" in image
