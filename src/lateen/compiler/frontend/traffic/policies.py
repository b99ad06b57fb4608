"""A DestinationRule's traffic policy for one port and subset: merge order and
translation into the IR. Pure."""

import msgspec

from lateen.compiler.frontend import quantities, rejected_by_envoy
from lateen.compiler.frontend.traffic import client_tls, locality
from lateen.compiler.frontend.traffic.rules import Rule, Subset
from lateen.compiler.ir.policy import (
    ConnectionPool,
    HashKey,
    LoadBalancer,
    OutlierDetection,
    RetryBudget,
    TrafficPolicy,
)
from lateen.compiler.ir.proxy import Features
from lateen.compiler.ir.routing import DEFAULT_TCP, TcpPolicy, Tunnel
from lateen.model.istio import networking_policy
from lateen.model.meta import Source

_OF_PORTS = (
    ("connection_pool", "connectionPool"),
    ("load_balancer", "loadBalancer"),
    ("outlier_detection", "outlierDetection"),
    ("tls", "tls"),
)
"""What an entry of `portLevelSettings` has."""

_FIELDS = (
    *_OF_PORTS,
    ("tunnel", "tunnel"),
    ("proxy_protocol", "proxyProtocol"),
    ("retry_budget", "retryBudget"),
)

_PROXY_PROTOCOLS = {"V1": 1, "V2": 2}

PolicyStruct = networking_policy.TrafficPolicy | networking_policy.PortTrafficPolicy


class Blocks(msgspec.Struct, frozen=True, kw_only=True):
    """The blocks that count for one port, each with where it is written."""

    connection_pool: networking_policy.ConnectionPoolSettings | None = None
    load_balancer: networking_policy.LoadBalancerSettings | None = None
    outlier_detection: networking_policy.OutlierDetection | None = None
    tls: networking_policy.ClientTLSSettings | None = None
    tunnel: networking_policy.TunnelSettings | None = None
    proxy_protocol: networking_policy.ProxyProtocol | None = None
    retry_budget: networking_policy.RetryBudget | None = None
    sources: tuple[tuple[str, Source], ...] = ()

    def source(self, field: str) -> Source:
        """Return where a block that is set is written."""
        return dict(self.sources)[field]


NOTHING = Blocks()
"""What a destination without a rule gets: every block unset."""


def blocks(rule: Rule, port: int, subset: Subset | None) -> Blocks:
    """Merge a rule's levels for a port (and subset).

    A port entry replaces the whole level it stands in; a subset's own blocks override those of
    the rule one by one, but its port entry takes the place of all four that such an entry has;
    within a block nothing is merged.
    """
    top = top_blocks(rule, port)
    return top if subset is None else subset_blocks(top, port, subset)


def top_blocks(rule: Rule, port: int) -> Blocks:
    """Return the blocks of a rule itself for a port."""
    if rule.policy is None:
        return NOTHING
    entry = _port_entry(rule.policy, rule.policy_source, port)
    return _read(*entry) if entry else _read(rule.policy, rule.policy_source)


def subset_blocks(top: Blocks, port: int, subset: Subset) -> Blocks:
    """Return the blocks of a subset over those of its rule; the very same if it has none."""
    policy = subset.spec.traffic_policy
    if policy is None:
        return top
    source = subset.source.at("trafficPolicy")
    entry = _port_entry(policy, source, port)
    if entry is None:
        return _over(top, _read(policy, source))
    inherited = {name: None for name, _ in _OF_PORTS}
    return _over(msgspec.structs.replace(top, **inherited), _read(*entry))


def translate(rule: Rule | None, merged: Blocks, options: client_tls.Options) -> TrafficPolicy:
    """Return the IR policy of merged blocks."""
    pool, balancer = merged.connection_pool, merged.load_balancer
    outlier, tls = merged.outlier_detection, merged.tls
    budget, protocol = rejected_by_envoy.budget(merged.retry_budget), merged.proxy_protocol
    made = TrafficPolicy(
        tls=None if tls is None else client_tls.translate(tls, merged.source("tls"), options),
        connection_pool=None
        if pool is None
        else connection_pool(pool, merged.source("connection_pool")),
        outlier_detection=None
        if outlier is None
        else _outlier(outlier, merged.source("outlier_detection")),
        load_balancer=None
        if balancer is None
        else load_balancer(balancer, merged.source("load_balancer")),
        retry_budget=None
        if budget is None
        else _budget(budget, merged.source("retry_budget"), options.features),
        proxy_protocol=0 if protocol is None else _PROXY_PROTOCOLS.get(protocol.version, 1),
        rule=rule.source if rule is not None else None,
    )
    return msgspec.structs.replace(made, by_locality=True) if locality.weighted(made) else made


def endpoint_mode(rule: Rule, port: int, subset: Subset | None) -> str:
    """Return the client's TLS mode that marks a destination's endpoints; empty if none is written.

    Other than for the cluster, a port entry that says nothing of TLS leaves the mode of its level,
    and a subset that says nothing leaves that of the rule.
    """
    own = subset.spec.traffic_policy if subset is not None else None
    for level in (own, rule.policy):
        if level is None:
            continue
        for entry in level.port_level_settings:
            if entry.port is not None and entry.port.number == port and entry.tls is not None:
                return entry.tls.mode or "DISABLE"
        if level.tls is not None:
            return level.tls.mode or "DISABLE"
    return ""


def conduct(rule: Rule, subset: Subset | None, *, tunnelled: bool) -> TcpPolicy:
    """Return how TCP proxies treat connections to a host. As on Istio the rule's top level alone
    says how long they last, and a subset's own block replaces tunnel and balancing.

    `tunnelled` is False where connections are shared out among several destinations.
    """
    top = networking_policy.TrafficPolicy() if rule.policy is None else rule.policy
    own = subset.spec.traffic_policy if subset is not None else None
    pool = top.connection_pool
    tcp = pool.tcp if pool is not None else None
    tunnel = (own.tunnel if own is not None else None) or top.tunnel
    balancer = (own.load_balancer if own is not None else None) or top.load_balancer
    chosen = balancer.consistent_hash if balancer is not None else None
    made = TcpPolicy(
        idle_timeout=quantities.seconds(tcp.idle_timeout) if tcp is not None else None,
        max_duration=quantities.seconds(tcp.max_connection_duration) if tcp is not None else None,
        by_source=chosen is not None and bool(chosen.use_source_ip),
        tunnel=Tunnel(
            host=tunnel.target_host, port=tunnel.target_port, post=tunnel.protocol == "POST"
        )
        if tunnel is not None and tunnelled
        else None,
    )
    return made if made == DEFAULT_TCP else msgspec.structs.replace(made, source=rule.policy_source)


def _budget(
    block: networking_policy.RetryBudget, source: Source, features: Features
) -> RetryBudget:
    share = block.percent
    usual = 20.0 if features.retry_budget_of_a_fifth else 0.2
    return RetryBudget(
        percent=usual if share is None else share,
        least=block.min_retry_concurrency or 3,
        source=source,
    )


_NO_TCP = networking_policy.TCPSettings()
_NO_HTTP = networking_policy.HTTPSettings()


def connection_pool(
    pool: networking_policy.ConnectionPoolSettings, source: Source
) -> ConnectionPool:
    """Return the IR form of `connectionPool`."""
    tcp, http = pool.tcp or _NO_TCP, pool.http or _NO_HTTP
    alive = tcp.tcp_keepalive
    upgrade, pings = http.h2_upgrade_policy, http.http2_keep_alive
    return ConnectionPool(
        max_connections=tcp.max_connections or None,
        connect_timeout=quantities.seconds(tcp.connect_timeout),
        max_connection_duration=quantities.seconds(tcp.max_connection_duration),
        keepalive=None
        if alive is None
        else (
            alive.probes or None,
            quantities.seconds(alive.time),
            quantities.seconds(alive.interval),
        ),
        http1_max_pending=http.http1_max_pending_requests or None,
        http2_max_requests=http.http2_max_requests or None,
        max_requests_per_connection=http.max_requests_per_connection or None,
        max_retries=http.max_retries or None,
        http_idle_timeout=quantities.seconds(http.idle_timeout or tcp.idle_timeout),
        h2_upgrade="" if upgrade == "DEFAULT" else upgrade,
        use_client_protocol=bool(http.use_client_protocol),
        max_concurrent_streams=http.max_concurrent_streams or None,
        http2_keepalive=None
        if pings is None
        else (quantities.seconds(pings.interval), quantities.seconds(pings.timeout)),
        source=source,
    )


def hash_keys(merged: Blocks) -> tuple[HashKey, ...]:
    """Return what the route must hash for a destination with a consistent-hash policy."""
    if merged.load_balancer is None or merged.load_balancer.consistent_hash is None:
        return ()
    key = _hash_key(merged.load_balancer.consistent_hash)
    return () if key is None else (key,)


def load_balancer(balancer: networking_policy.LoadBalancerSettings, source: Source) -> LoadBalancer:
    """Return the IR form of `loadBalancer`."""
    simple = balancer.simple or ""
    policy = "" if simple in ("UNSPECIFIED", "LEAST_CONN") else simple
    chosen = balancer.consistent_hash
    ring_size, table_size = 1024, 65537
    if chosen is not None:
        policy = "RING_HASH"
        if chosen.maglev is not None:
            policy = "MAGLEV"
            table_size = chosen.maglev.table_size or table_size
        elif chosen.ring_hash is not None:
            ring_size = chosen.ring_hash.minimum_ring_size or ring_size
        elif chosen.minimum_ring_size:
            ring_size = chosen.minimum_ring_size
    near = balancer.locality_lb_setting or networking_policy.LocalityLoadBalancerSetting()
    return LoadBalancer(
        policy=policy or "LEAST_REQUEST",
        minimum_ring_size=ring_size,
        maglev_table_size=table_size,
        warmup=quantities.seconds(
            balancer.warmup.duration if balancer.warmup else balancer.warmup_duration_secs
        ),
        warmup_least=balancer.warmup.minimum_percent if balancer.warmup else None,
        warmup_aggression=balancer.warmup.aggression if balancer.warmup else None,
        locality_enabled=near.enabled,
        distribute=tuple(
            (d.from_, tuple(sorted((to, int(share)) for to, share in d.to.items())))
            for d in near.distribute
        ),
        failover=tuple((f.from_, f.to) for f in near.failover),
        failover_priority=near.failover_priority,
        source=source,
    )


def _hash_key(chosen: networking_policy.ConsistentHashLB) -> HashKey | None:
    if chosen.http_header_name:
        return HashKey(kind="header", name=chosen.http_header_name)
    if chosen.http_cookie is not None:
        cookie = chosen.http_cookie
        return HashKey(
            kind="cookie",
            name=cookie.name,
            ttl=quantities.seconds(cookie.ttl),
            path=cookie.path,
            attributes=tuple((a.name, a.value) for a in cookie.attributes),
        )
    if chosen.use_source_ip:
        return HashKey(kind="source_ip")
    if chosen.http_query_parameter_name:
        return HashKey(kind="query", name=chosen.http_query_parameter_name)
    return None


def _outlier(block: networking_policy.OutlierDetection, source: Source) -> OutlierDetection:
    return OutlierDetection(
        consecutive_5xx=block.consecutive_5xx_errors,
        consecutive_gateway_errors=block.consecutive_gateway_errors,
        consecutive_local_origin_failures=block.consecutive_local_origin_failures,
        split_local_origin_errors=bool(block.split_external_local_origin_errors),
        interval=quantities.seconds(block.interval),
        base_ejection_time=quantities.seconds(block.base_ejection_time),
        max_ejection_percent=block.max_ejection_percent or None,
        min_health_percent=block.min_health_percent or 0,
        source=source,
    )


def _port_entry(
    policy: networking_policy.TrafficPolicy, source: Source, port: int
) -> tuple[networking_policy.PortTrafficPolicy, Source] | None:
    for index, entry in enumerate(policy.port_level_settings):
        if entry.port is not None and entry.port.number == port:
            return entry, source.at(f"portLevelSettings[{index}]")
    return None


def _read(policy: PolicyStruct, source: Source) -> Blocks:
    ref, at = source.ref, source.path
    return Blocks(
        connection_pool=policy.connection_pool,
        load_balancer=policy.load_balancer,
        outlier_detection=policy.outlier_detection,
        tls=policy.tls,
        tunnel=getattr(policy, "tunnel", None),
        proxy_protocol=getattr(policy, "proxy_protocol", None),
        retry_budget=getattr(policy, "retry_budget", None),
        sources=tuple(
            [
                (attribute, Source(ref, f"{at}.{json}"))
                for attribute, json in _FIELDS
                if getattr(policy, attribute, None) is not None
            ]
        ),
    )


def _over(below: Blocks, above: Blocks) -> Blocks:
    found = {
        attribute: above_block if above_block is not None else getattr(below, attribute)
        for attribute, _ in _FIELDS
        for above_block in (getattr(above, attribute),)
    }
    return Blocks(sources=tuple((dict(below.sources) | dict(above.sources)).items()), **found)
