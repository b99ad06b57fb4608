"""Outbound clusters of a service and who is in them. Pure."""

from collections.abc import Mapping

import msgspec

from lateen.compiler.frontend.registry import workloads
from lateen.compiler.frontend.traffic import client_tls, locality, policies
from lateen.compiler.frontend.traffic.rules import Rule, Subset
from lateen.compiler.ir.policy import TlsMode, TrafficPolicy
from lateen.compiler.ir.proxy import (
    ClusterEndpoints,
    Features,
    MeshSettings,
    OutboundCluster,
    cluster_name,
)
from lateen.compiler.ir.workload import (
    Endpoint,
    Labels,
    MtlsMode,
    Port,
    Protocol,
    Resolution,
    Service,
)


class Backends(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What stands behind a service: its endpoints by port number, in port order."""

    by_port: tuple[tuple[int, tuple[Endpoint, ...]], ...] = ()

    def at(self, port: int) -> tuple[Endpoint, ...]:
        """Return the endpoints of a port."""
        for number, found in self.by_port:
            if number == port:
                return found
        return ()


class PortTarget(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One (port, subset) pair of a service, with the policy that reaches it."""

    port: Port
    subset: Subset | None
    policy: TrafficPolicy
    endpoint_mode: str = ""
    """TLS mode of the rule that counts for the endpoints; empty: they are judged one by one."""


class ClusterPlan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A service as clients under one DestinationRule reach it."""

    service: Service
    rule: Rule | None
    targets: tuple[PortTarget, ...]
    near: frozenset[str] = frozenset()
    """Labels of clients that decide which endpoints are for them."""


def targets(
    service: Service, rule: Rule | None, settings: MeshSettings, *, gateway: bool
) -> tuple[PortTarget, ...]:
    """Return the (port, subset) pairs that get a cluster: every declared subset does, even if no
    pod is in it. UDP ports and aliases have none."""
    if service.resolution is Resolution.ALIAS:
        return ()
    sans = service.identities if service.entry else ()
    options = options_for(rule, settings, gateway=gateway, sans=sans)
    found = []
    for port in service.ports:
        if port.protocol is Protocol.UDP or not reaches(service, port.protocol):
            continue
        if rule is None:
            plain = locality.preferring(NO_POLICY, service.near, decided=False)
            found.append(PortTarget(port=port, subset=None, policy=plain))
            continue
        top = policies.top_blocks(rule, port.number)
        policy = _near(policies.translate(rule, top, options), service, top)
        mode = policies.endpoint_mode(rule, port.number, None)
        found.append(PortTarget(port=port, subset=None, policy=policy, endpoint_mode=mode))
        for subset in () if service.resolution is Resolution.DYNAMIC else rule.subsets:
            merged = policies.subset_blocks(top, port.number, subset)
            own = policy if merged is top else policies.translate(rule, merged, options)
            own = _near(own, service, merged)
            own = _passing_on(policy, own, merged)
            mode = policies.endpoint_mode(rule, port.number, subset)
            found.append(PortTarget(port=port, subset=subset, policy=own, endpoint_mode=mode))
    return tuple(found)


def reaches(service: Service, protocol: Protocol) -> bool:
    """Whether a port can be reached at all: by the names of requests alone only where they have
    one."""
    dynamic = service.resolution is Resolution.DYNAMIC
    return not dynamic or protocol.is_http or protocol.is_tls


def _near(policy: TrafficPolicy, service: Service, merged: policies.Blocks) -> TrafficPolicy:
    written = merged.load_balancer
    decided = written is not None and (
        written.locality_lb_setting is not None or written.zone_aware_lb_setting is not None
    )
    return locality.preferring(policy, service.near, decided=decided)


def _passing_on(outer: TrafficPolicy, own: TrafficPolicy, merged: policies.Blocks) -> TrafficPolicy:
    """Return a subset's policy, which keeps the original destination where its host does and its
    own `loadBalancer` names no algorithm."""
    if not _passes(outer) or own.load_balancer is None or merged.load_balancer is None:
        return own
    if merged.load_balancer.simple not in (None, "", "UNSPECIFIED"):
        return own
    kept = msgspec.structs.replace(own.load_balancer, policy="PASSTHROUGH")
    return msgspec.structs.replace(own, load_balancer=kept)


def _passes(policy: TrafficPolicy) -> bool:
    return policy.load_balancer is not None and policy.load_balancer.policy == "PASSTHROUGH"


NO_POLICY = TrafficPolicy()


def clusters(
    plan: ClusterPlan,
    mode: MtlsMode,
    behind: Backends | None,
    identities: tuple[str, ...],
    settings: MeshSettings,
) -> tuple[OutboundCluster, ...]:
    """Return a service's clusters as one rule shapes them.

    `mode` is the PeerAuthentication mode of the service's namespace. `behind` is needed only
    where TLS must be decided for all endpoints at once (headless, PASSTHROUGH), and where clusters
    hold their endpoints: of those, one without any is left out.
    """
    service = plan.service
    automatic = settings.auto_mtls and not service.external
    by_name = service.resolution.by_name
    found = []
    for target in plan.targets:
        port, subset, policy = target.port, target.subset, target.policy
        inline = None
        if by_name and behind is not None:
            inline = _assignment(service, target, behind, {}, settings.features)
            if not inline.endpoints:
                continue
        found.append(
            OutboundCluster(
                service=service,
                port=port.number,
                protocol=port.protocol,
                subset=subset.name if subset is not None else "",
                policy=policy,
                auto_mtls=automatic
                and policy.tls is None
                and _service_mode(service, port, policy, mode, behind) is not MtlsMode.DISABLE,
                sans=identities,
                source=subset.source if subset is not None else port.source,
                inline=inline,
            )
        )
    return tuple(found)


def assignments(
    plan: ClusterPlan, behind: Backends, client: Labels, features: Features, *, gateway: bool
) -> tuple[ClusterEndpoints, ...]:
    """Return the endpoints of those clusters that need them: not of a sidecar's ORIGINAL_DST.

    `client` has the labels by which a client is near or far.
    """
    service = plan.service
    if service.resolution is Resolution.DYNAMIC:
        return ()
    if service.resolution is Resolution.PASSTHROUGH and not gateway:
        return ()
    near = dict(client)
    return tuple(
        _assignment(service, target, behind, near, features)
        for target in plan.targets
        if not _passes(target.policy)
    )


def _assignment(
    service: Service,
    target: PortTarget,
    behind: Backends,
    client: Mapping[str, str],
    features: Features,
) -> ClusterEndpoints:
    subset, mode = target.subset, target.endpoint_mode
    members = behind.at(target.port.number)
    if service.node_local:
        here = client.get(workloads.NODE_LABEL, "")
        members = tuple([e for e in members if e.node == here])
    labels = _labels(subset)
    if labels:
        wanted = frozenset(labels)
        members = tuple([e for e in members if wanted.issubset(e.labels)])
    name = subset.name if subset is not None else ""
    spread = locality.spread(members, target.policy, client, features)
    return ClusterEndpoints(
        cluster=cluster_name(service.hostname, target.port.number, name),
        endpoints=spread.members,
        mtls=tuple([speaks_mtls(e, mode) for e in spread.members]),
        priorities=spread.priorities,
        shares=spread.shares,
    )


def by_server_name(
    clusters: tuple[OutboundCluster, ...], endpoints: tuple[ClusterEndpoints, ...]
) -> tuple[tuple[OutboundCluster, ...], tuple[ClusterEndpoints, ...]]:
    """Return a service's clusters as a gateway passes Istio mTLS on to them: without any TLS of its
    own, to those endpoints alone that speak it."""
    bare = tuple(
        msgspec.structs.replace(
            cluster,
            by_server_name=True,
            auto_mtls=False,
            sans=(),
            policy=msgspec.structs.replace(cluster.policy, tls=None, proxy_protocol=0),
        )
        for cluster in clusters
    )
    names = {cluster.name: named.name for cluster, named in zip(clusters, bare, strict=True)}
    return bare, tuple(_speaking(each, names[each.cluster]) for each in endpoints)


def _speaking(source: ClusterEndpoints, name: str) -> ClusterEndpoints:
    kept = [index for index, mtls in enumerate(source.mtls) if mtls]
    ranks = source.priorities
    return ClusterEndpoints(
        cluster=name,
        endpoints=tuple(source.endpoints[i] for i in kept),
        mtls=(True,) * len(kept),
        priorities=locality.compact([ranks[i] for i in kept]) if ranks else (),
        shares=source.shares,
    )


def speaks_mtls(endpoint: Endpoint, mode: str) -> bool:
    """Whether an endpoint is marked `tlsMode: istio`: a rule says ISTIO_MUTUAL, or nothing is
    said, the workload has a sidecar and its port does not refuse mTLS."""
    if mode:
        return mode == TlsMode.ISTIO_MUTUAL.value
    return endpoint.sidecar and endpoint.mode is not MtlsMode.DISABLE


def options_for(
    rule: Rule | None, settings: MeshSettings, *, gateway: bool, sans: tuple[str, ...] = ()
) -> client_tls.Options:
    """Return what the rule's `tls` may use: credentials reach gateways, and the clients that a
    workloadSelector names; `sans` are the names that the service itself gives its servers."""
    return client_tls.Options(
        features=settings.features,
        sans=sans,
        credentials=gateway or (rule is not None and bool(rule.selector)),
    )


def _labels(subset: Subset | None) -> Labels:
    return tuple(sorted(subset.spec.labels.items())) if subset is not None else ()


def _service_mode(
    service: Service,
    port: Port,
    policy: TrafficPolicy,
    namespace: MtlsMode,
    behind: Backends | None,
) -> MtlsMode:
    """Without a choice per endpoint, one that cannot do mTLS turns it off for all."""
    if needs_agreement(service, policy):
        members = behind.at(port.number) if behind is not None else ()
        if not members or not all(e.sidecar for e in members):
            return MtlsMode.DISABLE
    return namespace


def needs_agreement(service: Service, policy: TrafficPolicy) -> bool:
    """Whether the cluster keeps the original destination, so that TLS is all or nothing."""
    return _passes(policy) or service.resolution is Resolution.PASSTHROUGH
