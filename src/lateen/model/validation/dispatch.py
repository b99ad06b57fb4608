"""Which rules go with which kind. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from lateen.model.kinds import KindInfo
from lateen.model.validation import (
    authorizationpolicy,
    destinationrule,
    gateway,
    kubernetes,
    peerauthentication,
    podspec,
    serviceentry,
    telemetry,
    virtualservice,
)
from lateen.model.validation.report import Report, Validation

_RULES: Mapping[str, Callable[[Report, Any], None]] = {
    "pods": podspec.pod,
    "services": kubernetes.service,
    "deployments.apps": podspec.workload,
    "replicasets.apps": podspec.workload,
    "statefulsets.apps": podspec.workload,
    "daemonsets.apps": podspec.workload,
    "jobs.batch": podspec.job,
    "cronjobs.batch": podspec.cron_job,
    "gateways.networking.istio.io": gateway.validate,
    "virtualservices.networking.istio.io": virtualservice.validate,
    "destinationrules.networking.istio.io": destinationrule.validate,
    "serviceentries.networking.istio.io": serviceentry.validate,
    "peerauthentications.security.istio.io": peerauthentication.validate,
    "authorizationpolicies.security.istio.io": authorizationpolicy.validate,
    "telemetries.telemetry.istio.io": telemetry.validate,
}


def validate(info: KindInfo, obj: Any) -> Validation:
    """Check a decoded object by the rules of its kind, and its metadata by those of all kinds."""
    report = Report()
    kubernetes.metadata(report, info, obj.metadata)
    rules = _RULES.get(info.resource)
    if rules is not None:
        rules(report, obj)
    return report.result()
