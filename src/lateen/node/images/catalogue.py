"""The images that can be run without a registry: a row per image. Pure."""

import difflib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from lateen.model import external
from lateen.node.images import mirrors, nginx, reference
from lateen.node.images.conformance import CONFORMANCE
from lateen.node.images.flags import parse_flags
from lateen.node.images.nginx import NginxSite
from lateen.node.images.samples import SAMPLES, WRAPPERS, web_image
from lateen.node.images.spec import ImageContext, ImageSpec, Launch
from lateen.node.images.speech import SPEECH, AppPort
from lateen.node.images.web import server

_TAG = "{tag}"
"""Stands for the image's tag in a row's variables."""
_RELEASE = "{release}"
"""Stands for the release of nginx that the tag means."""


def _nginx(site: NginxSite) -> ImageSpec:
    return ImageSpec(
        name="",
        kind=site.kind,
        entrypoint=("/docker-entrypoint.sh",),
        cmd=("nginx", "-g", "daemon off;"),
        env={"NGINX_VERSION": _RELEASE},
        ports=site.ports + site.tls_ports,
        programs={"nginx": nginx.nginx(site)},
        wrappers=WRAPPERS,
    )


_HTDOCS = "/usr/local/apache2/htdocs"
_serve_httpd = server("httpd", (80,))


def _httpd(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
    """Apache: it serves what is in its folder; a configuration that a pod mounts is not read."""
    launch = _serve_httpd(ctx, words)
    folder = f"{ctx.root}{_HTDOCS}"
    page = {f"{folder}/index.html": "<html><body><h1>It works!</h1></body></html>\n"}
    return Launch((*launch.argv, "--option", f"root={folder}"), page, launch.listens)


def _curl_words(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
    """What the curl image's entrypoint does: options and addresses go to curl, commands run."""
    if not words or words[0].startswith("-") or "." in words[0] or ":" in words[0]:
        words = ("curl", *words)
    if words[0] == "curl":
        words = (ctx.installed.get("curl", "curl"), *words[1:])
    return Launch(words, listens=() if words[0].endswith("curl") else None)


def _front(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
    """What ends TLS before an application that speaks none, on the ports that it is told."""
    flags = parse_flags(words)
    alpn = tuple(name for name in flags.get("alpn", "").split(",") if name)
    http = tuple(sorted(name.removeprefix("http/").replace("h2", "2") for name in alpn))
    listens = []
    if flags.get("tls-port", "").isdigit():
        listens.append(AppPort(int(flags["tls-port"]), tls=True, http=http, alpn=alpn))
    if flags.get("port", "").isdigit():
        listens.append(AppPort(int(flags["port"]), http=http))
    return Launch((*ctx.python, "-m", "lateen.node.standins.front", *words), listens=tuple(listens))


_COMMAND = ImageSpec(name="", kind="command", cmd=("sh",), wrappers=WRAPPERS)
_CURL = ImageSpec(
    name="",
    kind="command",
    entrypoint=("/entrypoint.sh",),
    cmd=("curl",),
    programs={"entrypoint.sh": _curl_words},
)
_CURL_PROGRAM = ImageSpec(name="", kind="command", entrypoint=("curl",))
_PAUSE = ImageSpec(
    name="",
    kind="command",
    entrypoint=("/pause",),
    programs={"pause": lambda ctx, words: Launch(("sleep", "infinity"))},
)
_HTTPBIN = web_image(
    "httpbin",
    (80,),
    "gunicorn",
    server("httpbin", (80,), port_flags=("b", "bind")),
    ("-b", "0.0.0.0:80", "httpbin:app", "-k", "gevent"),
)
_HTTPBIN_8000 = web_image(
    "httpbin", (8000,), "gunicorn", server("httpbin", (8000,), port_flags=("b", "bind"))
)
_GO_HTTPBIN = web_image(
    "go-httpbin",
    (8080,),
    "/bin/go-httpbin",
    server("go-httpbin", (8080,), port_variables=("PORT",), port_flags=("port",)),
)
_WHOAMI = web_image(
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
_ECHO_JSON = web_image(
    "echo-json", (80,), "/bin/echo-server", server("echo-json", (80,), port_variables=("PORT",))
)
_ECHO_TEXT = web_image(
    "echo-text", (8080,), "/bin/echo-server", server("echo-text", (8080,), port_variables=("PORT",))
)
_ECHO_K8S = web_image("echo-k8s", (8080,), "/usr/local/bin/run.sh", server("echo-k8s", (8080,)))
_ECHO_BOTH = web_image(
    "echo-mendhak",
    (8080, 8443),
    "node",
    server("echo-mendhak", (8080,), tls_ports=(8443,), port_variables=("HTTP_PORT",)),
    ("./index.js",),
)
_HTTP_ECHO = web_image(
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
    web_image(
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
_ROWS: dict[str, ImageSpec] = {
    "oriolfilter/https-nginx-demo": _nginx(nginx.DEMO),
    "nginx": _nginx(NginxSite(kind="nginx", ports=(80,))),
    "nginxinc/nginx-unprivileged": _nginx(NginxSite(kind="nginx", ports=(8080,))),
    "bitnami/nginx": _nginx(NginxSite(kind="nginx", ports=(8080,))),
    "httpd": web_image("httpd", (80,), "httpd-foreground", _httpd),
    "kennethreitz/httpbin": _HTTPBIN,
    "kong/httpbin": _HTTPBIN,
    "citizenstig/httpbin": _HTTPBIN_8000,
    "mccutchen/go-httpbin": _GO_HTTPBIN,
    "traefik/whoami": _WHOAMI,
    "ealen/echo-server": _ECHO_JSON,
    "mendhak/http-https-echo": _ECHO_BOTH,
    "jmalloc/echo-server": _ECHO_TEXT,
    "registry.k8s.io/echoserver": _ECHO_K8S,
    "hashicorp/http-echo": _HTTP_ECHO,
    "gcr.io/google-samples/hello-app": _HELLO_APP,
    "us-docker.pkg.dev/google-samples/containers/gke/hello-app": _HELLO_APP,
    **SAMPLES,
    **CONFORMANCE,
    external.IMAGE: ImageSpec(
        name="", kind="external-tls", entrypoint=("front",), programs={"front": _front}
    ),
    "curlimages/curl": _CURL,
    "alpine/curl": _CURL_PROGRAM,
    "appropriate/curl": _CURL_PROGRAM,
    "byrnedo/alpine-curl": _CURL_PROGRAM,
    "pstauffer/curl": _COMMAND,
    "tutum/curl": _COMMAND,
    "radial/busyboxplus": _COMMAND,
    "governmentpaas/curl-ssl": _COMMAND,
    "curlimages/curl-base": _COMMAND,
    "registry.k8s.io/pause": _PAUSE,
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
    row = CATALOGUE.get(mirrors.known_by(parsed))
    if row is None:
        return None
    given = {_TAG: parsed.tag, _RELEASE: nginx.version(parsed.tag)}
    env = {name: _filled(value, given) for name, value in row.env.items()}
    return replace(row, name=parsed.familiar, env=env)


def _filled(value: str, given: Mapping[str, str]) -> str:
    for mark, text in given.items():
        value = value.replace(mark, text)
    return value


def listening(
    image: str,
    *,
    command: Sequence[str] = (),
    args: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    mounts: Sequence[str] = (),
    overrides: Mapping[str, Sequence[str]] | None = None,
) -> tuple[AppPort, ...] | None:
    """Return the TCP ports that a container's application listens on, and what it speaks there.

    None where nothing here can know: an image that is not in the catalogue, a command of the
    user's own, a configuration that the pod mounts. `mounts` are the paths of its volumes.
    """
    try:
        row = resolve(image, overrides)
    except reference.InvalidImageNameError:
        return None
    if row is None:
        return None
    context = ImageContext(
        work="",
        cache="",
        python=(),
        command=tuple(command),
        args=tuple(args),
        env=env or {},
        mounts=frozenset(mounts),
    )
    return row.launch(context).listens


class CatalogueRow(msgspec.Struct, frozen=True):
    """One image of the catalogue, as `lateen images` lists it."""

    image: str
    kind: str
    ports: tuple[AppPort, ...] | None
    differs: str = ""


def rows() -> tuple[CatalogueRow, ...]:
    """Return every image with its ports and with what its stand-in does otherwise, by name."""
    return tuple(
        CatalogueRow(
            image=name,
            kind=row.kind,
            ports=listening(name),
            differs=SPEECH[row.kind].differs if row.kind in SPEECH else "",
        )
        for name, row in sorted(CATALOGUE.items())
    )


def unknown(image: str) -> str:
    """Say why an image cannot be pulled, and what to do about it."""
    parsed = reference.parse(image)
    name = parsed.familiar
    near = difflib.get_close_matches(mirrors.known_by(parsed), CATALOGUE, n=1, cutoff=0.75)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return (
        f"no stand-in is known for {name}{hint}; name the command that runs instead under `images`"
        " in lateen.yaml (`lateen images` lists what is known)"
    )


def _by_precision(
    overrides: Mapping[str, Sequence[str]],
) -> list[tuple[str, Sequence[str]]]:
    return sorted(overrides.items(), key=lambda item: not _has_tag(item[0]))


def _has_tag(image: str) -> bool:
    return ":" in image.rsplit("/", 1)[-1] or "@" in image
