"""Services: defaults and refusals. Their addresses are given in `addresses`. Pure."""

from collections.abc import Mapping
from typing import Any

from lateen.apiserver import fieldcauses
from lateen.apiserver.kinds.strategy import base
from lateen.base.jsonvalue import Json
from lateen.model.validation.kube import names

_AFFINITY_SECONDS = 10800


def _defaults(service: Json) -> None:
    spec = service.setdefault("spec", {})
    kind = spec.setdefault("type", "ClusterIP")
    affinity = spec.setdefault("sessionAffinity", "None")
    if affinity == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        config.setdefault("timeoutSeconds", _AFFINITY_SECONDS)
    elif affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, "", 0) and "port" in port:
            port["targetPort"] = port["port"]
    if kind == "ExternalName":
        return
    _families(spec)
    outside = kind in ("NodePort", "LoadBalancer") or bool(spec.get("externalIPs"))
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if outside:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _families(spec: Json) -> None:
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    elif spec.get("clusterIPs") and not spec.get("clusterIP"):
        spec["clusterIP"] = spec["clusterIPs"][0]
    if spec.get("clusterIP") == "None" and not spec.get("selector"):
        # Somebody else lists its addresses: they may be of any family.
        both = spec.setdefault("ipFamilyPolicy", "RequireDualStack") != "SingleStack"
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"] if both else ["IPv4"])
        return
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")


def _creating(service: Json) -> None:
    service["status"] = {"loadBalancer": {}}


def _updating(old: Mapping[str, Any], sent: Mapping[str, Any], service: Json) -> None:
    """A Service that stops being a LoadBalancer loses its external address, and what its new type
    cannot have unless that was asked for anew."""
    before, spec = old.get("spec", {}), service.get("spec", {})
    kind = spec.get("type")
    if kind != "LoadBalancer":
        service["status"] = {"loadBalancer": {}}
        _drop_kept(before, spec, "allocateLoadBalancerNodePorts", "loadBalancerClass")
    if kind != "NodePort" and kind != "LoadBalancer" and not spec.get("externalIPs"):
        _drop_kept(before, spec, "externalTrafficPolicy")


def _drop_kept(before: Mapping[str, Any], spec: Json, *fields: str) -> None:
    for field in fields:
        if field in spec and spec[field] == before.get(field):
            del spec[field]


_BY_MODEL = base.by_model("services")


def _check(service: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
    return (*_BY_MODEL(service), *_other_family(service.get("spec", {})))


def _other_family(spec: Mapping[str, Any]) -> list[fieldcauses.Cause]:
    """Refuse what a cluster of one family refuses, this one having IPv4. A headless Service
    without selector only lists the addresses that somebody else brings."""
    if spec.get("clusterIP") == "None" and not spec.get("selector"):
        return []
    causes = [
        fieldcauses.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
        for index, family in enumerate(spec.get("ipFamilies") or ())
        if family == "IPv6"
    ]
    if spec.get("ipFamilyPolicy") == "RequireDualStack":
        detail = "this cluster is not configured for dual-stack services"
        causes.append(fieldcauses.invalid("spec.ipFamilyPolicy", "RequireDualStack", detail))
    return causes


def _check_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
    before, after = old.get("spec", {}), new.get("spec", {})
    if "ExternalName" in (before.get("type"), after.get("type")):
        return ()
    held, asked = before.get("clusterIP"), after.get("clusterIP")
    if held and held != asked:
        value = after.get("clusterIPs") or [asked]
        return (fieldcauses.invalid("spec.clusterIPs[0]", value, "may not change once set"),)
    return ()


STRATEGIES: Mapping[str, base.Strategy] = {
    "services": base.Standard(
        defaults=_defaults,
        creating=_creating,
        updating=_updating,
        check=_check,
        check_change=_check_change,
        name_rule=names.label_1035,
        generation=False,
    ),
}
