"""Services: defaults and refusals. Their addresses are given in `addresses`. Pure."""

import ipaddress
from collections.abc import Mapping
from typing import Any

from lateen.apiserver.strategy import base, names

Json = dict[str, Any]

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
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
    else:
        spec.pop("externalTrafficPolicy", None)
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    else:
        spec.pop("allocateLoadBalancerNodePorts", None)


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
    """A Service that stops being a LoadBalancer loses its external address."""
    if service.get("spec", {}).get("type") != "LoadBalancer":
        service["status"] = {"loadBalancer": {}}


def _check(service: Mapping[str, Any]) -> tuple[base.Cause, ...]:
    spec = service.get("spec", {})
    causes: list[base.Cause] = []
    if spec.get("type") not in _TYPES:
        causes.append(base.unsupported("spec.type", spec.get("type"), _TYPES))
    ports = spec.get("ports") or []
    headless = spec.get("clusterIP") == "None"
    if spec.get("type") == "ExternalName":
        if not spec.get("externalName"):
            causes.append(base.required("spec.externalName"))
    elif not ports and not headless:
        causes.append(base.required("spec.ports"))
    if headless and spec.get("type") in ("NodePort", "LoadBalancer"):
        detail = f"may not be set to 'None' for {spec['type']} services"
        causes.append(base.invalid("spec.clusterIPs[0]", "None", detail))
    seen_names: set[str] = set()
    seen_ports: set[tuple[object, object]] = set()
    for index, port in enumerate(ports):
        where = f"spec.ports[{index}]"
        causes.extend(_port(port, where, len(ports) > 1))
        key = (port.get("protocol"), port.get("port"))
        if key in seen_ports:
            causes.append(
                base.Cause("FieldValueDuplicate", f"Duplicate value: {_shown(key)}", where)
            )
        if port.get("name") and port["name"] in seen_names:
            message = f'Duplicate value: "{port["name"]}"'
            causes.append(base.Cause("FieldValueDuplicate", message, f"{where}.name"))
        seen_names.add(str(port.get("name")))
        seen_ports.add(key)
    causes.extend(_external_addresses(spec))
    causes.extend(_other_family(spec))
    return tuple(causes)


def _other_family(spec: Mapping[str, Any]) -> list[base.Cause]:
    """Refuse what a cluster of one family refuses, this one having IPv4. A headless Service
    without selector only lists the addresses that somebody else brings."""
    if spec.get("clusterIP") == "None" and not spec.get("selector"):
        return []
    causes = [
        base.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
        for index, family in enumerate(spec.get("ipFamilies") or ())
        if family == "IPv6"
    ]
    if spec.get("ipFamilyPolicy") == "RequireDualStack":
        detail = "this cluster is not configured for dual-stack services"
        causes.append(base.invalid("spec.ipFamilyPolicy", "RequireDualStack", detail))
    return causes


def _shown(key: tuple[object, object]) -> str:
    return f'{{"port":{key[1]},"protocol":"{key[0]}"}}'


def _port(port: Mapping[str, Any], where: str, several: bool) -> list[base.Cause]:
    causes: list[base.Cause] = []
    name = port.get("name") or ""
    if several and not name:
        causes.append(base.required(f"{where}.name"))
    elif name and (detail := names.label(name)):
        causes.append(base.invalid(f"{where}.name", name, detail))
    number = port.get("port")
    if not (isinstance(number, int) and 1 <= number <= 65535):
        detail = "must be between 1 and 65535, inclusive"
        causes.append(base.invalid(f"{where}.port", number, detail))
    if port.get("protocol") not in _PROTOCOLS:
        causes.append(base.unsupported(f"{where}.protocol", port.get("protocol"), _PROTOCOLS))
    target = port.get("targetPort")
    if isinstance(target, int) and not 1 <= target <= 65535:
        detail = "must be between 1 and 65535, inclusive"
        causes.append(base.invalid(f"{where}.targetPort", target, detail))
    return causes


def _external_addresses(spec: Mapping[str, Any]) -> list[base.Cause]:
    causes: list[base.Cause] = []
    for index, address in enumerate(spec.get("externalIPs") or ()):
        try:
            ipaddress.ip_address(str(address))
        except ValueError:
            detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            causes.append(base.invalid(f"spec.externalIPs[{index}]", address, detail))
    return causes


def _check_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[base.Cause, ...]:
    before, after = old.get("spec", {}), new.get("spec", {})
    if "ExternalName" in (before.get("type"), after.get("type")):
        return ()
    held, asked = before.get("clusterIP"), after.get("clusterIP")
    if held and held != asked:
        value = after.get("clusterIPs") or [asked]
        return (base.invalid("spec.clusterIPs[0]", value, "may not change once set"),)
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
