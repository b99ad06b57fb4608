"""Host names: short names, wildcards, and which of two is more specific. Pure."""

from lateen.compiler.ir.workload import Service


def resolve(host: str, namespace: str, domain: str) -> str:
    """Expand a short name with the namespace of the object that uses it (semantics 3.8, 5).

    Only a name without any dot is short: `reviews.prod` stays as it is, as on Istio.
    """
    if not host or "." in host or ":" in host or host.startswith("*"):
        return host
    return f"{host}.{namespace}.svc.{domain}"


def is_wildcard(host: str) -> bool:
    """Whether the host is `*`, `*.example.com` or `*suffix`."""
    return host.startswith("*")


def covers(pattern: str, host: str) -> bool:
    """Whether every name that `host` stands for is one that `pattern` stands for."""
    if not is_wildcard(pattern):
        return pattern == host
    suffix = pattern[1:]
    if is_wildcard(host):
        return host[1:].endswith(suffix)
    return host.endswith(suffix)


def intersect(one: str, other: str) -> str | None:
    """Return the narrower of two hosts that overlap, or None."""
    if covers(one, other):
        return other
    if covers(other, one):
        return one
    return None


def specificity(host: str) -> tuple[int, int, str]:
    """Sort key: exact names first, then the longest wildcard."""
    return (1 if is_wildcard(host) else 0, -len(host), host)


def split_service(hostname: str, domain: str) -> tuple[str, str] | None:
    """Return (namespace, name) of `name.namespace.svc.domain`, or None."""
    tail = f".svc.{domain}"
    if not hostname.endswith(tail):
        return None
    parts = hostname[: -len(tail)].split(".")
    return (parts[1], parts[0]) if len(parts) == 2 and parts[0] and parts[1] else None


def domains(service: Service, client_namespace: str, *, absolute: bool) -> tuple[str, ...]:
    """Return a service's virtual-host domains as seen from a namespace (semantics 3.3).

    `absolute` adds the form with the trailing dot.
    """
    host, name, namespace = service.hostname, service.name, service.namespace
    found = [host]
    if absolute:
        found.append(f"{host}.")
    if host.startswith(f"{name}.{namespace}.svc."):
        if namespace == client_namespace:
            found.append(name)
        found += [f"{name}.{namespace}.svc", f"{name}.{namespace}"]
    return tuple(found)
