"""Which rules go with which kind. Pure."""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from lateen.model.kinds import KindInfo
from lateen.model.validation import kubernetes
from lateen.model.validation.report import Report, Validation

_RULES: Mapping[str, str] = {
    "pods": "podspec.pod",
    "services": "service.service",
    "deployments.apps": "workloads.deployment",
    "replicasets.apps": "workloads.workload",
    "statefulsets.apps": "workloads.workload",
    "daemonsets.apps": "workloads.workload",
    "jobs.batch": "workloads.job",
    "cronjobs.batch": "workloads.cron_job",
    "persistentvolumeclaims": "stored.claim",
    "poddisruptionbudgets.policy": "stored.budget",
    "ingresses.networking.k8s.io": "stored.ingress",
    "networkpolicies.networking.k8s.io": "stored.network_policy",
    "gateways.networking.istio.io": "gateway.validate",
    "virtualservices.networking.istio.io": "virtualservice.validate",
    "destinationrules.networking.istio.io": "destinationrule.validate",
    "serviceentries.networking.istio.io": "serviceentry.validate",
    "peerauthentications.security.istio.io": "peerauthentication.validate",
    "authorizationpolicies.security.istio.io": "authorizationpolicy.validate",
    "telemetries.telemetry.istio.io": "telemetry.validate",
}
"""Module of this room and function; a kind's rules load with the first object of the kind."""


@functools.cache
def _rules(resource: str) -> Callable[[Report, Any], None] | None:
    place = _RULES.get(resource)
    if place is None:
        return None
    module, _, name = place.partition(".")
    found: Callable[[Report, Any], None] = getattr(
        importlib.import_module(f"lateen.model.validation.{module}"), name
    )
    return found


def validate(info: KindInfo, obj: Any) -> Validation:
    """Check a decoded object by the rules of its kind, and its metadata by those of all kinds."""
    report = Report()
    kubernetes.metadata(report, info, obj.metadata)
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
