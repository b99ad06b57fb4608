"""Rules for destinations and gateway names, which all kinds of routes share. Pure."""

from collections.abc import Sequence

from lateen.model.istio.networking_route import Destination, HTTPRouteDestination, RouteDestination
from lateen.model.validation import syntax
from lateen.model.validation.report import Report

MESH = "mesh"


def destination(report: Report, value: Destination | None, path: str) -> None:
    """Check one destination."""
    if value is None:
        report.error(path, "destination is required")
        return
    if value.host == "*":
        report.error(f"{path}.host", "invalid destination host *")
    elif not value.host:
        report.error(f"{path}.host", "destination host is required")
    else:
        report.check(f"{path}.host", syntax.wildcard_domain(value.host))
    if value.subset:
        report.check(f"{path}.subset", syntax.dns_label(value.subset))
    if value.port is not None:
        report.check(f"{path}.port.number", syntax.port(value.port.number))


def weights(
    report: Report, routes: Sequence[HTTPRouteDestination | RouteDestination], path: str
) -> None:
    """Check the destinations of a route and their shares."""
    for index, route in enumerate(routes):
        destination(report, route.destination, f"{path}[{index}].destination")
        if route.weight < 0:
            report.error(f"{path}[{index}].weight", f"weight {route.weight} < 0")
    if len(routes) > 1 and sum(route.weight for route in routes) == 0:
        report.error(path, "total destination weight = 0")


def gateways(report: Report, names: Sequence[str], path: str) -> None:
    """Check the names of gateways that routes are bound to."""
    for index, name in enumerate(names):
        at = f"{path}[{index}]"
        namespace, slash, bare = name.partition("/")
        if slash:
            problem = syntax.dns_label(namespace) or syntax.dns_label(bare)
            if problem:
                report.error(at, f"config namespace/name for gateway {name!r}: {problem}")
        elif name != MESH:
            report.check(at, syntax.fqdn(name))
            if "." in name:
                report.warn(
                    at,
                    f"using legacy gatewayName format {name!r}; prefer the "
                    "<namespace>/<name> format",
                )
