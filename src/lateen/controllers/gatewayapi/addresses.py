"""Where a Gateway is reached, and what is wrong with the addresses it asks for. Pure.

Words and reasons are those of Istio's controller.
"""

import ipaddress
from collections.abc import Iterator

from lateen.base.jsonvalue import Json, JsonView
from lateen.compiler.frontend.gatewayapi import conditions as aspects, objects as gateway_objects
from lateen.controllers.engine import cache, fields
from lateen.controllers.gatewayapi import conditions, deployed


class Served:
    """The Services of a Gateway, and where they are reached."""

    def __init__(self, gateway: JsonView, known: cache.Cache, domain: str) -> None:
        self._gateway, self._domain = gateway, domain
        self._missing: list[str] = []
        self._found: list[JsonView] = []
        for host in self._hosts():
            name, _, rest = host.removesuffix(f".svc.{domain}").partition(".")
            service = known.get("services", rest, name)
            if service is None or rest != fields.namespace(gateway):
                self._missing.append(host)
            else:
                self._found.append(service)

    def _asked(self) -> list[JsonView]:
        return list(fields.spec(self._gateway).get("addresses") or ())

    def _hosts(self) -> list[str]:
        if deployed.is_managed(self._gateway):
            return [self._host(deployed.name_of(self._gateway))]
        named = [str(one.get("value", "")) for one in self._asked() if _type_of(one) == "Hostname"]
        return [host if "." in host else self._host(host) for host in named]

    def _host(self, name: str) -> str:
        return gateway_objects.hostname(fields.namespace(self._gateway), name, self._domain)

    def unsupported(self) -> str:
        """Return why the addresses that are asked for cannot be had; empty if they can."""
        if deployed.is_managed(self._gateway):
            return ""
        others = [str(one.get("value")) for one in self._asked() if _type_of(one) != "Hostname"]
        return f"only Hostname is supported, ignoring [{' '.join(others)}]" if others else ""

    def programmed(self) -> conditions.StatusCondition:
        """Return whether the Gateway has all the addresses that it is to have."""
        assigned, pending = list(self._assigned()), list(self._pending())
        warnings = [f'hostname "{host}" not found' for host in self._missing]
        warnings += self._unopened()
        served = " and ".join(assigned)
        if assigned and not warnings and not pending:
            message = f"Resource programmed, assigned to service(s) {served}"
            return conditions.StatusCondition(aspects.PROGRAMMED, True, "Programmed", message)
        if not self._found and not self._missing:
            message = "Failed to assign to any requested addresses"
            return conditions.StatusCondition(
                aspects.PROGRAMMED, False, "UnsupportedAddress", message
            )
        reason = "AddressNotUsable" if warnings else "AddressNotAssigned"
        message = "Failed to assign to any requested addresses"
        if assigned:
            message = (
                f"Assigned to service(s) {served}, but failed to assign to all requested addresses"
            )
        told = "; ".join([*warnings, *pending])
        return conditions.StatusCondition(
            aspects.PROGRAMMED, False, reason, f"{message}: {told}" if told else message
        )

    def _ports(self) -> list[int]:
        given = fields.spec(self._gateway).get("listeners") or ()
        return sorted({int(one["port"]) for one in given})

    def _assigned(self) -> Iterator[str]:
        for service in self._found:
            for port in self._ports():
                if port in _open(service):
                    yield f"{self._host(fields.name(service))}:{port}"

    def _unopened(self) -> Iterator[str]:
        """Yield what is said of ports that a Service does not have."""
        for service in self._found:
            host = self._host(fields.name(service))
            for port in self._ports():
                if port not in _open(service):
                    yield f'port {port} not found for hostname "{host}"'

    def _pending(self) -> Iterator[str]:
        for service in self._found:
            if fields.spec(service).get("type") == "LoadBalancer" and not _external(service):
                yield f'address pending for hostname "{self._host(fields.name(service))}"'

    def addresses(self) -> list[Json]:
        """Return where the Gateway is reached: outside, or by its Services' names."""
        outside = [address for service in self._found for address in _external(service)]
        names = [self._host(fields.name(service)) for service in self._found]
        return [{"type": _type(value), "value": value} for value in outside or names]


def _type_of(address: JsonView) -> str:
    return str(address.get("type") or "IPAddress")


def _open(service: JsonView) -> set[int]:
    return {int(one["port"]) for one in fields.spec(service).get("ports") or ()}


def _external(service: JsonView) -> list[str]:
    given = (fields.status(service).get("loadBalancer") or {}).get("ingress") or ()
    return [str(one.get("ip") or one.get("hostname")) for one in given]


def _type(address: str) -> str:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return "Hostname"
    return "IPAddress"
