"""Kinds that nothing here acts on: storage, policies, autoscalers, webhooks. They are kept with the
defaults that a cluster gives them. Pure."""

from collections.abc import Mapping
from typing import Any

from lateen.apiserver import fieldcauses
from lateen.apiserver.kinds.strategy import base
from lateen.base.jsonvalue import Json, clone


def _claim(obj: Json) -> None:
    obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")


def _volume(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    if spec.get("hostPath") is not None:
        spec["hostPath"].setdefault("type", "")


def _storage_class(obj: Json) -> None:
    obj.setdefault("reclaimPolicy", "Delete")
    obj.setdefault("volumeBindingMode", "Immediate")


def _limits(obj: Json) -> None:
    for item in (obj.get("spec") or {}).get("limits") or ():
        if item.get("type") != "Container":
            continue
        limits, requests = item.setdefault("default", {}), item.setdefault("defaultRequest", {})
        for target, source in ((limits, "max"), (requests, "default"), (requests, "min")):
            for name, amount in (item.get(source) or {}).items():
                target.setdefault(name, amount)


def _priority(obj: Json) -> None:
    obj.setdefault("value", 0)
    obj.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _network_policy(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")


def _ingress_class(obj: Json) -> None:
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None:
        parameters.setdefault("scope", "Cluster")


def _webhooks(obj: Json) -> None:
    for hook in obj.get("webhooks") or ():
        hook.setdefault("failurePolicy", "Fail")
        hook.setdefault("matchPolicy", "Equivalent")
        hook.setdefault("namespaceSelector", {})
        hook.setdefault("objectSelector", {})
        hook.setdefault("timeoutSeconds", 10)
        for rule in hook.get("rules") or ():
            rule.setdefault("scope", "*")
        service = (hook.get("clientConfig") or {}).get("service")
        if service is not None:
            service.setdefault("port", 443)


def _mutating_webhooks(obj: Json) -> None:
    _webhooks(obj)
    for hook in obj.get("webhooks") or ():
        hook.setdefault("reinvocationPolicy", "Never")


_PERIOD = 15
_FOUR_PODS = {"type": "Pods", "value": 4, "periodSeconds": _PERIOD}
_EVERY_POD = {"type": "Percent", "value": 100, "periodSeconds": _PERIOD}


def _autoscaler(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        up = behavior.setdefault("scaleUp", {})
        up.setdefault("stabilizationWindowSeconds", 0)
        up.setdefault("policies", [dict(_FOUR_PODS), dict(_EVERY_POD)])
        down = behavior.setdefault("scaleDown", {})
        down.setdefault("policies", [dict(_EVERY_POD)])
        for rules in (up, down):
            rules.setdefault("selectPolicy", "Max")


def _check_autoscaler(obj: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
    spec = obj["spec"]
    least, most, causes = spec["minReplicas"], spec.get("maxReplicas"), []
    target = spec.get("scaleTargetRef") or {}
    for field in ("kind", "name"):
        if not target.get(field):
            causes.append(fieldcauses.required(f"spec.scaleTargetRef.{field}"))
    if least < 1:
        detail = "must be greater than or equal to 1"
        causes.append(fieldcauses.invalid("spec.minReplicas", least, detail))
    if most is None or most < 1:
        causes.append(fieldcauses.invalid("spec.maxReplicas", most or 0, "must be greater than 0"))
    elif most < least:
        detail = "must be greater than or equal to `minReplicas`"
        causes.append(fieldcauses.invalid("spec.maxReplicas", most, detail))
    return tuple(causes)


def _born_with(**status: Any) -> base.Creating:
    """Give a new object the status that it has before a controller has seen it."""

    def creating(obj: Json) -> None:
        obj["status"] = clone(status)

    return creating


_BUDGET = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
_HOOKS = "webhookconfigurations.admissionregistration.k8s.io"

STRATEGIES: Mapping[str, base.Strategy] = {
    "persistentvolumeclaims": base.Standard(
        defaults=_claim,
        creating=_born_with(phase="Pending"),
        check=base.by_model("persistentvolumeclaims"),
        generation=False,
    ),
    "persistentvolumes": base.Standard(
        defaults=_volume, creating=_born_with(phase="Pending"), generation=False
    ),
    "storageclasses.storage.k8s.io": base.Standard(
        defaults=_storage_class, generation=False, status=False
    ),
    "limitranges": base.Standard(defaults=_limits, generation=False, status=False),
    "resourcequotas": base.Standard(creating=_born_with(), generation=False),
    "priorityclasses.scheduling.k8s.io": base.Standard(defaults=_priority, status=False),
    "networkpolicies.networking.k8s.io": base.Standard(
        defaults=_network_policy,
        check=base.by_model("networkpolicies.networking.k8s.io"),
        status=False,
    ),
    "ingresses.networking.k8s.io": base.Standard(
        creating=_born_with(loadBalancer={}), check=base.by_model("ingresses.networking.k8s.io")
    ),
    "ingressclasses.networking.k8s.io": base.Standard(defaults=_ingress_class, status=False),
    "poddisruptionbudgets.policy": base.Standard(
        creating=_born_with(**_BUDGET), check=base.by_model("poddisruptionbudgets.policy")
    ),
    "certificatesigningrequests.certificates.k8s.io": base.Standard(
        creating=_born_with(), generation=False
    ),
    f"mutating{_HOOKS}": base.Standard(defaults=_mutating_webhooks, status=False),
    f"validating{_HOOKS}": base.Standard(defaults=_webhooks, status=False),
    "horizontalpodautoscalers.autoscaling": base.Standard(
        defaults=_autoscaler,
        creating=_born_with(desiredReplicas=0),
        check=_check_autoscaler,
        says_missing=("spec.scaleTargetRef", "spec.maxReplicas"),
        generation=False,
    ),
}
