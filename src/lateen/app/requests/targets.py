"""Where a request goes and where it comes from: names to addresses, as the lab knows them."""

import asyncio
import difflib
import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import dnslib
import msgspec

from lateen.app.reach.podstreams import ShimLink
from lateen.model import wellknown
from lateen.model.client import ApiError
from lateen.model.kube.core import objects
from lateen.model.snapshot import Snapshot
from lateen.node.shim.client import ShimError, ShimGoneError
from lateen.observe import redact

_DNS = ("10.96.0.10", 53)
_DNS_SECONDS = 2.0
_DOMAIN = wellknown.CLUSTER_DOMAIN
_SEARCH = (f"{{namespace}}.svc.{_DOMAIN}", f"svc.{_DOMAIN}", _DOMAIN)
_INGRESS = "istio"
_INGRESS_VALUE = "ingressgateway"
Forwards = Mapping[tuple[str, str, int], int]


class Origin(msgspec.Struct, frozen=True):
    """Where a request is sent from: a pod, or the host when `pod` is empty."""

    pod: str = ""
    """`namespace/name`."""
    uid: str = ""
    namespace: str = "default"


class UrlTarget(msgspec.Struct, frozen=True):
    """Where to connect, and the URL as sent."""

    url: str
    address: str
    port: int
    note: str = ""
    """What is not as the URL reads: the name is no Service's, and the gateway is asked for it."""


def origin(snapshot: Snapshot, named: str, namespace: str) -> Origin:
    """Return the pod that `POD`, `pod/NAME`, `deploy/NAME` or `sa/NAME` means (one that runs as
    it); the host for "", `host` or `outside`.

    Raises ApiError 404 when there is none that runs.
    """
    if named in ("", "host", "outside"):
        return Origin(namespace=namespace)
    kind, slash, name = named.partition("/")
    if not slash:
        kind, name = "pod", named
    if kind in ("pod", "pods", "po"):
        pod = snapshot.pods.get((namespace, name))
    elif kind in ("deploy", "deployment", "deployments"):
        pod = _pod_of(snapshot, namespace, name)
    elif kind in ("sa", "serviceaccount"):
        pod = _running_as(snapshot, namespace, name)
    else:
        raise ApiError(400, "BadRequest", f"--from {named}: use POD, deploy/NAME or sa/NAME")
    if pod is None or not pod.status.pod_ip:
        raise ApiError(
            404, "NotFound", f"no running pod of {named} in {namespace}: see `lateen get pods -A`"
        )
    return Origin(f"{namespace}/{pod.metadata.name}", pod.metadata.uid, namespace)


def _pod_of(snapshot: Snapshot, namespace: str, deployment: str) -> objects.Pod | None:
    for (where, _), pod in snapshot.pods.items():
        if where != namespace or pod.metadata.deletion_timestamp or not pod.status.pod_ip:
            continue
        for owner in pod.metadata.owner_references:
            if owner.kind == "ReplicaSet" and owner.name.rpartition("-")[0] == deployment:
                return pod
    return None


def _running_as(snapshot: Snapshot, namespace: str, account: str) -> objects.Pod | None:
    for (where, _), pod in snapshot.pods.items():
        running = pod.status.pod_ip and not pod.metadata.deletion_timestamp
        own = pod.spec.service_account_name or "default"
        if running and (where, own) == (namespace, account):
            return pod
    return None


class Resolver:
    """Turns a URL into an address to connect to."""

    def __init__(self, shim: ShimLink, snapshot: Snapshot, forwards: Forwards) -> None:
        self._shim, self._snapshot, self._forwards = shim, snapshot, forwards

    async def target(
        self, url: str, start: Origin, *, gateway: bool, resolve: Mapping[str, str]
    ) -> UrlTarget:
        """Return where a URL leads. `resolve` maps `HOST:PORT` or `HOST` to an address.

        Raises ApiError 400 for a URL that is none, 404 for a name nobody knows.
        """
        parts, host, port = _parts(url)
        full = parts.geturl()
        chosen = resolve.get(f"{host}:{port}") or resolve.get(host)
        if chosen:
            return UrlTarget(full, chosen, port)
        if not start.pod:
            return self._from_host(parts, full, host, port, gateway=gateway)
        return UrlTarget(full, await self._lookup(host, start), port)

    def _from_host(
        self, parts: SplitResult, full: str, host: str, port: int, *, gateway: bool
    ) -> UrlTarget:
        if host in ("127.0.0.1", "localhost"):
            return self._forwarded(full, port)
        if _is_address(host):
            return UrlTarget(full, host, port)
        service = service_named(self._snapshot, host)
        address = reachable(service) if service is not None else ""
        if not address and (gateway or service is None):
            address = self._gateway(port)
            if address and not self._is_written_for(host):
                return UrlTarget(full, address, port, self._unknown(host))
        if not address:
            raise ApiError(404, "NotFound", f"{host}: no Service of that name has an address")
        return UrlTarget(full, address, port)

    def _is_written_for(self, host: str) -> bool:
        """Whether a VirtualService or a Gateway names a host, be it by a wildcard (`*` alone names
        nobody in particular)."""
        rules = self._snapshot.virtual_services.values()
        servers = (s for g in self._snapshot.gateways.values() for s in g.spec.servers)
        names = [n for rule in rules for n in rule.spec.hosts]
        names += [n.rpartition("/")[2] for server in servers for n in server.hosts]
        return any(
            host == name or (name.startswith("*.") and host.endswith(name[1:])) for name in names
        )

    def _unknown(self, host: str) -> str:
        """Say that a name is nobody's, and which one is like it."""
        known = [name for _, name in self._snapshot.services]
        like = difflib.get_close_matches(host.partition(".")[0], known, 1)
        maybe = f" (is it {like[0]}?)" if like else ""
        return f"no Service is called {host}{maybe}: the ingress gateway was asked for it"

    def _forwarded(self, full: str, port: int) -> UrlTarget:
        for (namespace, name, number), local in self._forwards.items():
            if local == port:
                service = self._snapshot.services[namespace, name]
                return UrlTarget(full, reachable(service), number)
        raise ApiError(
            404, "NotFound", f"port {port} of 127.0.0.1 leads nowhere in the lab: `lateen status`"
        )

    def _gateway(self, port: int) -> str:
        """The load balancer's address of an ingress gateway that has this port."""
        for service in self._snapshot.services.values():
            ours = service.spec.selector.get(_INGRESS) == _INGRESS_VALUE
            if ours and any(p.port == port for p in service.spec.ports):
                return reachable(service)
        return ""

    async def _lookup(self, host: str, start: Origin) -> str:
        """Ask the lab's DNS from inside the pod, along the pod's search path."""
        if _is_address(host):
            return host
        searched = [suffix.format(namespace=start.namespace) for suffix in _SEARCH]
        names = [f"{host}.{suffix}" for suffix in searched]
        absolute = host.removesuffix(".")
        names = [absolute] if host.endswith(".") else [*names, absolute]
        if host.count(".") >= 5:
            names = [absolute, *names]
        try:
            shim = await self._shim.get()
            with await shim.open_socket(start.uid, socket.AF_INET, socket.SOCK_DGRAM) as asking:
                for name in names:
                    if found := await _ask(asking, name):
                        return found
        except (ShimError, ShimGoneError, OSError, TimeoutError) as error:
            raise ApiError(503, "ServiceUnavailable", f"the lab's DNS: {error}") from error
        raise ApiError(404, "NotFound", f"{host}: the lab's DNS knows no such name")


def service_named(snapshot: Snapshot, host: str) -> objects.Service | None:
    """Return the Service that a host name means, seen from no namespace in particular."""
    labels = host.removesuffix(".").removesuffix(".cluster.local").removesuffix(".svc")
    name, _, namespace = labels.partition(".")
    for where in (namespace,) if namespace else ("default", "istio-system"):
        if (where, name) in snapshot.services:
            return snapshot.services[where, name]
    return None


def _parts(url: str) -> tuple[SplitResult, str, int]:
    """Return a URL's parts, its host and its port."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ApiError(400, "BadRequest", f"{redact.path(url)}: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ApiError(
            400, "BadRequest", f"{redact.path(url)}: use http://HOST/PATH or https://HOST/PATH"
        )
    if ":" in host:
        raise ApiError(400, "BadRequest", f"{redact.path(url)}: a lab has IPv4 addresses only")
    return parts, host, port or (443 if parts.scheme == "https" else 80)


async def _ask(asking: socket.socket, name: str) -> str:
    loop = asyncio.get_running_loop()
    query = dnslib.DNSRecord.question(name)
    async with asyncio.timeout(_DNS_SECONDS):
        await loop.sock_sendto(asking, query.pack(), _DNS)
        answer = dnslib.DNSRecord.parse(await loop.sock_recv(asking, 4096))
    return next((str(rr.rdata) for rr in answer.rr if rr.rtype == dnslib.QTYPE.A), "")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def reachable(service: objects.Service) -> str:
    """Return the load balancer's address, else the cluster's; "" for a headless Service."""
    balancer = service.status.load_balancer
    for ingress in balancer.ingress if balancer is not None else ():
        if ingress.ip:
            return ingress.ip
    return "" if service.spec.cluster_ip in ("", "None") else service.spec.cluster_ip
