"""External authorizers: providers of the mesh configuration that decide for policies of
action CUSTOM. Pure.

A provider that breaks one of Istio's rules cannot be asked, like one that does not exist.
"""

import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

from lateen.compiler.frontend import quantities
from lateen.compiler.ir.authz import Authorizer, Pattern, ShownBody
from lateen.compiler.ir.proxy import cluster_name
from lateen.compiler.ir.workload import Service
from lateen.model.istio import meshconfig
from lateen.model.meta import Source

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LAST_PORT = 65535
_STATUSES = frozenset(
    {100, 511}
    | set(range(200, 209))
    | {226, *range(300, 309)} - {306}
    | set(range(400, 418))
    | {421, 422, 423, 424, 426, 428, 429, 431}
    | {500, 501, 502, 503, 504, 505, 506, 507, 508, 510}
)
"""Those that Envoy has a name for."""

Named = Callable[[str], Sequence[Service]]
"""Returns the services of a host name, one for each namespace that declares it."""


def translate(
    providers: Sequence[meshconfig.ExtensionProvider], at: Source
) -> tuple[Authorizer, ...]:
    """Return those of a mesh configuration's providers that decide. Of a name that two of its
    providers have, none can be asked."""
    names = [provider.name for provider in providers]
    found = []
    for index, provider in enumerate(providers):
        http, grpc = provider.envoy_ext_authz_http, provider.envoy_ext_authz_grpc
        source = at.at(f"extensionProviders[{index}]")
        if http is not None:
            made = _http(provider.name, http, source.at("envoyExtAuthzHttp"))
        elif grpc is not None:
            made = _any(provider.name, grpc, source.at("envoyExtAuthzGrpc"), grpc=True)
        else:
            continue
        fault = next(_faults(made, http or grpc), "")
        if not fault and names.count(provider.name) > 1:
            fault = "several providers have this name"
        found.append(msgspec.structs.replace(made, fault=fault))
    return tuple(found)


def resolved(authorizer: Authorizer, named: Named) -> Authorizer:
    """Return an authorizer with the cluster where it is asked, or with what is in the way. Its host
    is looked for in the whole mesh, whoever sees it; without a namespace one alone may have it."""
    if authorizer.fault:
        return authorizer
    namespace = authorizer.service.rpartition("/")[0]
    services = [s for s in named(authorizer.host) if namespace in ("", s.namespace)]
    if len(services) != 1:
        fault = f"no service has the host {authorizer.service}"
        if services:
            spaces = ", ".join(sorted(s.namespace for s in services))
            fault = f"{authorizer.host} is in several namespaces ({spaces})"
        return msgspec.structs.replace(authorizer, fault=fault)
    cluster = cluster_name(authorizer.host, authorizer.port, "")
    return msgspec.structs.replace(authorizer, cluster=cluster)


def _any(name: str, spec: meshconfig.GrpcAuthorizer, at: Source, *, grpc: bool) -> Authorizer:
    body, shown = spec.include_request_body_in_check, None
    if body is not None:
        shown = ShownBody(
            most=body.max_request_bytes,
            partial=body.allow_partial_message,
            as_bytes=body.pack_as_bytes,
        )
    status = spec.status_on_error
    seconds = quantities.seconds(spec.timeout)
    return Authorizer(
        name=name,
        source=at,
        service=spec.service,
        port=spec.port,
        grpc=grpc,
        timeout=600.0 if seconds is None else seconds,
        fail_open=spec.fail_open,
        status_on_error=int(status) if status.isdigit() else 0,
        body=shown,
    )


def _http(name: str, spec: meshconfig.HttpAuthorizer, at: Source) -> Authorizer:
    return msgspec.structs.replace(
        _any(name, spec, at, grpc=False),
        path_prefix=spec.path_prefix,
        shown=_patterns(spec.include_request_headers_in_check or spec.include_headers_in_check),
        added=tuple(sorted(spec.include_additional_headers_in_check.items())),
        to_upstream=_patterns(spec.headers_to_upstream_on_allow),
        to_refused=_patterns(spec.headers_to_downstream_on_deny),
        to_allowed=_patterns(spec.headers_to_downstream_on_allow),
    )


def _patterns(written: Sequence[str]) -> tuple[Pattern, ...]:
    return tuple(map(_pattern, written))


def _pattern(text: str) -> Pattern:
    if text.startswith("*"):
        return Pattern(kind="suffix", value=text[1:])
    if text.endswith("*"):
        return Pattern(kind="prefix", value=text[:-1])
    return Pattern(kind="exact", value=text)


def _faults(made: Authorizer, spec: meshconfig.GrpcAuthorizer | None) -> Iterator[str]:
    if not _NAME.fullmatch(made.name):
        yield f"{made.name!r} is no name for a provider (a to z, 0 to 9 and -, at most 63)"
    if not made.host:
        yield "it has no service"
    if not 0 < made.port <= _LAST_PORT:
        yield f"{made.port} is no port"
    if spec is not None and spec.timeout and (quantities.seconds(spec.timeout) or 0) <= 0:
        yield f"its timeout {spec.timeout!r} is no length of time above nothing"
    if spec is not None and spec.status_on_error and made.status_on_error not in _STATUSES:
        yield f"statusOnError {spec.status_on_error!r} is no status that Envoy knows"
    if made.path_prefix and not made.path_prefix.startswith("/"):
        yield f"pathPrefix {made.path_prefix!r} does not begin with /"
    headers = (*made.shown, *made.to_upstream, *made.to_refused, *made.to_allowed)
    if any(not each.value for each in headers):
        yield "a header is named by nothing, or by a * alone"
    if made.body is not None and made.body.most <= 0:
        yield "includeRequestBodyInCheck has no maxRequestBytes"
