"""Which rules go with which kind. Pure."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from lateen.base import byname
from lateen.model.schema.kindinfo import KindInfo
from lateen.model.validation.kube import metadata
from lateen.model.validation.report import Report, Validation

_RULES: Mapping[str, str] = {
    "pods": "kube.podspec.pod",
    "services": "kube.service.service",
    "deployments.apps": "kube.workloads.deployment",
    "replicasets.apps": "kube.workloads.workload",
    "statefulsets.apps": "kube.workloads.workload",
    "daemonsets.apps": "kube.workloads.workload",
    "jobs.batch": "kube.workloads.job",
    "cronjobs.batch": "kube.workloads.cron_job",
    "persistentvolumeclaims": "kube.stored.claim",
    "poddisruptionbudgets.policy": "kube.stored.budget",
    "ingresses.networking.k8s.io": "kube.stored.ingress",
    "networkpolicies.networking.k8s.io": "kube.stored.network_policy",
    "gateways.networking.istio.io": "istio.gateway.validate",
    "virtualservices.networking.istio.io": "istio.virtualservice.validate",
    "destinationrules.networking.istio.io": "istio.destinationrule.validate",
    "serviceentries.networking.istio.io": "istio.serviceentry.validate",
    "workloadentries.networking.istio.io": "istio.serviceentry.workload_entry",
    "sidecars.networking.istio.io": "istio.sidecar.validate",
    "proxyconfigs.networking.istio.io": "istio.sidecar.proxy_config",
    "envoyfilters.networking.istio.io": "istio.envoyfilter.validate",
    "requestauthentications.security.istio.io": "istio.requestauthentication.validate",
    "peerauthentications.security.istio.io": "istio.peerauthentication.validate",
    "authorizationpolicies.security.istio.io": "istio.authorizationpolicy.validate",
    "telemetries.telemetry.istio.io": "istio.telemetry.validate",
}
"""Module of this room and function; a kind's rules load with the first object of the kind."""


@functools.cache
def _rules(resource: str) -> Callable[[Report, Any], None] | None:
    place = _RULES.get(resource)
    if place is None:
        return None
    found: Callable[[Report, Any], None] = byname.attribute(f"lateen.model.validation.{place}")
    return found


def validate(info: KindInfo, obj: Any) -> Validation:
    """Check a decoded object by the rules of its kind, and its metadata by those of all kinds."""
    report = Report()
    metadata.metadata(report, info, obj.metadata)
    _by_kind(report, info, obj)
    return report.result()


def of_kind(info: KindInfo, obj: Any) -> Validation:
    """Check a decoded object by the rules of its kind alone."""
    report = Report()
    _by_kind(report, info, obj)
    return report.result()


def _by_kind(report: Report, info: KindInfo, obj: Any) -> None:
    rules = _rules(info.resource)
    if rules is not None:
        rules(report, obj)
