"""Predictions about a compiled state: a request in words, what will happen as values."""

import ipaddress
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import SplitResult, urlsplit

from lateen.app.api import config_dumps
from lateen.app.api.config_dumps import ConfigDump
from lateen.app.foresight import environment, secret_names
from lateen.base.clock import SystemClock
from lateen.compiler.backend.render import Renderer
from lateen.compiler.frontend.assemble import Mesh
from lateen.compiler.ir.proxy import MeshSettings, ProxyView
from lateen.compiler.output import ResourceSet
from lateen.model.kube.core.service import Service
from lateen.model.labapi.explain import ExplainRequest
from lateen.model.meta import ObjectRef
from lateen.model.snapshot import Snapshot
from lateen.predict.connection.run import World
from lateen.predict.envoy.config import Proxy, ReadResources
from lateen.predict.values.facts import NetworkFacts, PodFacts
from lateen.predict.values.outcome import Prediction
from lateen.predict.values.request import Content, Http, NameMatch, Raw, Tls, Trust
from lateen.predict.walk import way

_AGENT = (("user-agent", "lateen"), ("accept", "*/*"))
_ALPN: Mapping[str, tuple[str, ...]] = {"1.0": (), "1.1": ("http/1.1",), "2": ("http/1.1", "h2")}
"""What `lateen curl` offers."""
_PORTS = {"http": 80, "https": 443, "grpc": 80, "tcp": 0, "tls": 443}


class AskedError(ValueError):
    """A request that cannot be asked; the message says what to write."""


class _Proxies(Mapping[str, Proxy]):
    """Every proxy of a mesh, rendered when it is first asked for."""

    def __init__(self, render: Callable[[str], ResourceSet | None], names: Sequence[str]) -> None:
        self._render, self._names = render, names
        self._made: dict[str, Proxy] = {}
        self._parsed = ReadResources()

    def __getitem__(self, name: str) -> Proxy:
        if name not in self._made:
            found = self._render(name)
            if found is None:
                raise KeyError(name)
            self._made[name] = Proxy(name, found, self._parsed)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Foresight:
    """Says what requests will do in one compiled state."""

    BARE = "no-sidecar"
    """What a client is called that stands for any pod without a sidecar."""

    def __init__(
        self,
        snapshot: Snapshot,
        mesh: Mesh,
        settings: MeshSettings,
        images: Mapping[str, Sequence[str]],
        *,
        system_roots: str,
        now: Callable[[], datetime],
        renderer: Renderer | None = None,
        dumps: Mapping[str, ConfigDump] | None = None,
    ) -> None:
        """With `dumps`, by `namespace/pod`, those proxies have what they really have."""
        self.dumps = dumps or {}
        self.snapshot = snapshot
        self._settings, self._images, self._now = settings, images, now
        self._refs = {f"{ref.namespace}/{ref.name}": ref for ref in mesh.proxies()}
        self._mesh = mesh
        self._renderer = renderer or Renderer(system_roots=system_roots)
        self._roots = system_roots
        self.network: NetworkFacts = environment.network(snapshot, settings, images)
        secrets = secret_names.Known(snapshot, self._view, now)
        proxies = _Proxies(self._rendered, tuple(self._refs))
        self.world = World(self.network, proxies, secrets)

    @property
    def bare(self) -> PodFacts:
        """A pod without a sidecar that need not be there."""
        return _BARE

    def scope(self, proxy: str) -> Hashable:
        """Return what a proxy is sent for the way out: equal for pods that send alike; None
        without a proxy."""
        view = self._view(proxy)
        if proxy in self.dumps:
            return proxy
        return None if view is None else (view.settings, view.outbound, view.gateway)

    def over(self, snapshot: Snapshot, mesh: Mesh) -> "Foresight":
        """Return the same for another state; what was rendered alike is kept. No proxy has it, and
        so none has other resources than are compiled."""
        return Foresight(
            snapshot,
            mesh,
            self._settings,
            self._images,
            system_roots=self._roots,
            now=self._now,
            renderer=self._renderer,
        )

    def having(self, dumps: Iterable[ConfigDump]) -> "Foresight":
        """Return the same state where proxies have what their dumps say."""
        return Foresight(
            self.snapshot,
            self._mesh,
            self._settings,
            self._images,
            system_roots=self._roots,
            now=self._now,
            renderer=self._renderer,
            dumps={each.proxy: each for each in dumps},
        )

    @property
    def views(self) -> Mapping[str, ProxyView]:
        """What each proxy's configuration is made from, by `namespace/pod`."""
        return {proxy: self._mesh.view(ref) for proxy, ref in self._refs.items()}

    def _view(self, proxy: str) -> ProxyView | None:
        ref: ObjectRef | None = self._refs.get(proxy)
        return self._mesh.view(ref) if ref is not None else None

    def _rendered(self, proxy: str) -> ResourceSet | None:
        compiled = self.compiled(proxy)
        dump = self.dumps.get(proxy)
        return compiled if dump is None else config_dumps.completed(dump, compiled)

    def compiled(self, proxy: str) -> ResourceSet | None:
        """Return what the compiler makes for a proxy; None for a pod without one."""
        view = self._view(proxy)
        return self._renderer.render(view) if view is not None else None

    def predict(self, request: ExplainRequest) -> Prediction:
        """Return what a request will do. Raises AskedError for one that cannot be asked."""
        return way.predict(self.world, self.asked(request))

    def asked(self, request: ExplainRequest) -> way.Sending:
        """Return a request as the interpreter takes it."""
        url = request.url if "://" in request.url else f"http://{request.url}"
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            raise AskedError(f"{request.url}: use http, https, tcp, tls or grpc")
        try:
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise AskedError(f"{request.url}: {error}") from error
        port = port or _PORTS[parts.scheme]
        if not host or not port:
            raise AskedError(f"{request.url}: it names no {'host' if not host else 'port'}")
        pod = self._origin(request)
        address = request.resolve.get(f"{host}:{port}") or request.resolve.get(host) or ""
        if pod is None and not address:
            address = self._outside(host, port)
        roots = self.network.system_roots if pod is not None else frozenset[str]()
        content = _content(request, parts.scheme, _authority(parts), host, roots)
        return way.Sending(content=content, pod=pod, host=host, port=port, address=address)

    def _origin(self, request: ExplainRequest) -> PodFacts | None:
        if request.origin in ("", "host", "outside"):
            return None
        if request.origin == self.BARE:
            return _BARE
        kind, slash, name = request.origin.partition("/")
        if not slash:
            kind, name = "pod", request.origin
        namespace = request.namespace
        for pod in self.network.pods.values():
            if pod.namespace != namespace:
                continue
            if kind in ("pod", "pods", "po") and pod.name == f"{namespace}/{name}":
                return pod
            if kind in _OF_WORKLOADS and pod.workload == f"{namespace}/{name}":
                return pod
            if kind in ("sa", "serviceaccount") and self._account(pod) == name:
                return pod
        if kind not in _ORIGINS:
            raise AskedError(f"{request.origin}: use deploy/NAME, pod/NAME, sa/NAME or outside")
        raise AskedError(f"no pod of {request.origin} in {namespace}")

    def _account(self, pod: PodFacts) -> str:
        namespace, _, name = pod.name.partition("/")
        return self.snapshot.pods[namespace, name].spec.service_account_name or "default"

    def _outside(self, host: str, port: int) -> str:
        """Return where a client outside connects: a Service's address, else the ingress gateway
        that has the port."""
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            pass
        labels = host.removesuffix(".").removesuffix(".cluster.local").removesuffix(".svc")
        name, _, namespace = labels.partition(".")
        for where in (namespace,) if namespace else ("default", "istio-system"):
            service = self.snapshot.services.get((where, name))
            if service is not None:
                return _reachable(service)
        for service in self.snapshot.services.values():
            ours = service.spec.selector.get("istio") == "ingressgateway"
            if ours and any(each.port == port for each in service.spec.ports):
                return _reachable(service)
        return ""


_BARE = PodFacts(name="default/no-sidecar", address="10.244.255.254", speeches={})
_OF_WORKLOADS = ("deploy", "deployment", "deployments", "sts", "statefulset", "ds", "daemonset")
_ORIGINS = frozenset({"pod", "pods", "po", "sa", "serviceaccount", *_OF_WORKLOADS})


def _reachable(service: Service) -> str:
    spec, balancer = service.spec, service.status.load_balancer
    for ingress in balancer.ingress if balancer is not None else ():
        if ingress.ip:
            return str(ingress.ip)
    return "" if spec.cluster_ip in ("", "None") else str(spec.cluster_ip)


def _authority(parts: SplitResult) -> str:
    """Return the Host that clients send for a URL: without the port that its scheme implies."""
    host = parts.netloc.rpartition("@")[2]
    return host.removesuffix(f":{_PORTS[parts.scheme]}")


def _content(
    request: ExplainRequest, scheme: str, authority: str, host: str, trusted: frozenset[str]
) -> Content:
    inner: Content = Raw()
    if scheme in ("http", "https", "grpc"):
        inner = _http(request, scheme, authority)
    if scheme not in ("https", "tls"):
        return inner
    roots = None if request.insecure else trusted
    names = () if request.insecure else (NameMatch("exact", host, "dns"),)
    alpn = _ALPN[request.http]
    return Tls(
        inner=inner,
        sni=request.sni or ("" if _is_address(host) else host),
        alpn=alpn if isinstance(inner, Http) else (),
        trust=Trust(roots=roots, names=names),
    )


def _http(request: ExplainRequest, scheme: str, authority: str) -> Http:
    parts = urlsplit(request.url if "://" in request.url else f"http://{request.url}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = tuple((name.lower(), value) for name, value in request.headers)
    host = next((value for name, value in headers if name == "host"), authority)
    rest = tuple(pair for pair in headers if pair[0] != "host")
    given = {name for name, _ in rest}
    defaults = tuple(pair for pair in _AGENT if pair[0] not in given)
    version = "2" if scheme == "grpc" else request.http
    return Http(
        method=request.method,
        path=path,
        authority=host,
        headers=(*defaults, *rest),
        version=version,
        body=request.body,
        scheme="https" if scheme == "https" else "http",
        seconds=request.timeout,
        now=SystemClock().now().timestamp(),
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
