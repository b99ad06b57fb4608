"""Rules for the load balancer block of a DestinationRule. Pure."""

from lateen.model.istio.networking_policy import (
    ConsistentHashLB,
    HTTPCookie,
    LoadBalancerSettings,
    LocalityDistribute,
    LocalityFailover,
    LocalityLoadBalancerSetting,
)
from lateen.model.schema import fieldpath
from lateen.model.validation.istio import shared
from lateen.model.validation.report import Report

_MAGLEV_MOST = 5_000_011
_TOPOLOGY = (
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
)


def validate(report: Report, value: LoadBalancerSettings, path: str, *, outliers: bool) -> None:
    """Check a load balancer; `outliers` when the same policy has outlier detection."""
    if value.simple is not None and value.consistent_hash is not None:
        report.error(path, "only one of simple and consistentHash may be set")
    if value.consistent_hash is not None:
        _hash(report, value.consistent_hash, f"{path}.consistentHash")
    locality = value.locality_lb_setting
    if locality is not None and value.zone_aware_lb_setting is not None:
        report.error(path, "only one of localityLbSetting and zoneAwareLbSetting may be set")
    if locality is not None:
        _locality(report, locality, f"{path}.localityLbSetting", outliers=outliers)
    shared.duration(report, value.warmup_duration_secs, f"{path}.warmupDurationSecs")
    if value.warmup is not None:
        at = f"{path}.warmup"
        if not value.warmup.duration:
            report.error(f"{at}.duration", "duration is required")
        shared.duration(report, value.warmup.duration, f"{at}.duration")
        least, shape = value.warmup.minimum_percent, value.warmup.aggression
        if least is not None and not 0 <= least <= 100:
            report.error(f"{at}.minimumPercent", "minimumPercent should be 0 to 100")
        if shape is not None and shape <= 0:
            report.error(f"{at}.aggression", "aggression should be greater than 0")


def _hash(report: Report, value: ConsistentHashLB, path: str) -> None:
    keys = (
        value.http_header_name,
        value.http_cookie,
        value.use_source_ip,
        value.http_query_parameter_name,
    )
    if sum(key is not None for key in keys) > 1:
        report.error(path, "only one key may be set: header, cookie, source IP or query parameter")
    algorithms = (value.minimum_ring_size or None, value.ring_hash, value.maglev)
    if sum(one is not None for one in algorithms) > 1:
        report.error(path, "only one of minimumRingSize, ringHash and maglev may be set")
    if value.minimum_ring_size:
        report.warn(f"{path}.minimumRingSize", "minimumRingSize is deprecated, use ringHash")
    if value.http_cookie is not None:
        _cookie(report, value.http_cookie, f"{path}.httpCookie")
    if value.maglev is not None:
        _table(report, value.maglev.table_size, f"{path}.maglev.tableSize")


def _cookie(report: Report, cookie: HTTPCookie, path: str) -> None:
    if not cookie.name:
        report.error(f"{path}.name", "name required for HttpCookie")
    shared.duration(report, cookie.ttl, f"{path}.ttl", zero=True)
    names = [attribute.name for attribute in cookie.attributes]
    if "" in names:
        report.error(f"{path}.attributes", "attribute name is required")
    if len(set(names)) < len(names):
        report.error(f"{path}.attributes", "attribute names must be unique")


def _table(report: Report, size: int | None, path: str) -> None:
    if not size:
        report.error(path, "tableSize must be set for maglev")
    elif size >= _MAGLEV_MOST or not _prime(size):
        report.error(path, f"tableSize must be a prime below {_MAGLEV_MOST}")


def _prime(number: int) -> bool:
    if number < 4:
        return number in (2, 3)
    return number % 2 != 0 and all(number % d for d in range(3, int(number**0.5) + 1, 2))


def _locality(
    report: Report, value: LocalityLoadBalancerSetting, path: str, *, outliers: bool
) -> None:
    if value.distribute and (value.failover or value.failover_priority):
        report.error(path, "can not simultaneously specify 'distribute' and 'failover'")
    if (value.failover or value.failover_priority) and not outliers:
        report.warn(path, "failover acts only together with outlierDetection")
    for index, share in enumerate(value.distribute):
        _distribute(report, share, f"{path}.distribute[{index}]")
    for index, step in enumerate(value.failover):
        _failover(report, step, f"{path}.failover[{index}]")
    for index, label in enumerate(value.failover_priority if value.failover else ()):
        if label.partition("=")[0] in _TOPOLOGY:
            report.error(
                f"{path}.failoverPriority[{index}]",
                "can not set failover together with a topology label in failoverPriority",
            )


def _distribute(report: Report, share: LocalityDistribute, path: str) -> None:
    for locality, weight in share.to.items():
        if not 1 <= weight <= 100:
            report.error(
                fieldpath.join(f"{path}.to", locality), "locality weight must be in range [1, 100]"
            )
    total = sum(share.to.values())
    if total != 100:
        report.error(f"{path}.to", f"total locality weight {total} != 100")


def _failover(report: Report, step: LocalityFailover, path: str) -> None:
    if step.from_ == step.to:
        report.error(
            path, f"locality lb failover settings must specify different regions: {step.to}"
        )
    for region in (step.from_, step.to):
        if "*" in region or "/" in region or not region:
            report.error(path, f"locality lb failover only specify region, not {region!r}")
