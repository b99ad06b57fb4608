"""Host names: short names, wildcards, and which of two is more specific. Pure."""

from lateen.compiler.ir.workload import Service


def resolve(host: str, namespace: str, domain: str) -> str:
    """Expand a short name with the namespace of the object that uses it .

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


def domains(
    service: Service, client_namespace: str, domain: str, *, absolute: bool
) -> tuple[str, ...]:
    """Return a service's virtual-host domains as seen from a namespace: its name, and the shorter
    forms that DNS completes there.

    `absolute` adds the form with the trailing dot.
    """
    host = service.hostname
    if host[0] == "*":
        return (host,)
    full = (host, f"{host}.") if absolute else (host,)
    tail = f".svc.{domain}"
    if not host.endswith(tail):
        return full
    short = host[: -len(tail)]
    own = f".{client_namespace}"
    if short.endswith(own):
        return (*full, short[: -len(own)], f"{short}.svc", short)
    return (*full, f"{short}.svc", short)
