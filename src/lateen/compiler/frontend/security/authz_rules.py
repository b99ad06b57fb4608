"""One rule of an AuthorizationPolicy as tests on a request. Pure."""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence

import msgspec

from lateen.compiler.ir.authz import Attribute, Pattern, Rule, Test
from lateen.compiler.ir.proxy import Features, MeshSettings
from lateen.model import identity, wellknown
from lateen.model.istio import security
from lateen.model.meta import Source

_SCHEME = "spiffe://"
_LOCAL = wellknown.CLUSTER_DOMAIN
"""In a principal, this trust domain means the mesh's own, whatever its name."""
_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_FILTERS = "experimental."
_TEMPLATES = ("{*}", "{**}")

Make = Callable[[str], "Pattern | None"]
"""Turns a written value into a pattern; None for one that is none (it passed no validation)."""


class PolicySurroundings(msgspec.Struct, frozen=True):
    """What a rule depends on beside itself."""

    settings: MeshSettings
    namespace: str
    """The policy's."""

    @property
    def features(self) -> Features:
        """Return what the Istio version does."""
        return self.settings.features

    @property
    def trust_domains(self) -> tuple[str, ...]:
        """Return the mesh's trust domain and its aliases."""
        every = (self.settings.trust_domain, *self.settings.trust_domain_aliases)
        return tuple(map(identity.domain, every))


class _Field(msgspec.Struct, frozen=True):
    """One field of a source or an operation, or one condition."""

    attribute: Attribute
    values: Sequence[str] | None
    not_values: Sequence[str] | None
    make: Make
    name: str = ""
    key: str = ""
    claims: tuple[str, ...] = ()


class _Unusable(ValueError):
    """A rule that Istio leaves out."""


def rule(
    written: security.AuthorizationRule,
    name: str,
    source: Source,
    mesh: PolicySurroundings,
    *,
    allow: bool,
    tcp: bool,
) -> Rule | None:
    """Return a rule, or None where it is left out.

    What a TCP connection does not have cannot be tested there. With `allow` the whole rule is then
    left out, which allows less; otherwise the field alone is, which denies more. The same goes for
    a value that makes no sense.
    """
    try:
        conditions = [_condition(c, mesh) for c in written.when or ()]
        asked = [_operation(o.operation, mesh) for o in written.to or ()] or [()]
        asking = [_source(s.source, mesh) for s in written.from_ or ()] or [()]
        of_operation = [c for c in conditions if c.attribute.of_operation]
        of_source = [c for c in conditions if not c.attribute.of_operation]
        return Rule(
            name=name,
            source=source,
            operations=tuple(
                tuple(_tests([*fields, *of_operation], allow=allow, tcp=tcp)) for fields in asked
            ),
            sources=tuple(
                tuple(_tests([*fields, *of_source], allow=allow, tcp=tcp)) for fields in asking
            ),
        )
    except _Unusable:
        return None


def _tests(fields: Iterable[_Field], *, allow: bool, tcp: bool) -> Iterable[Test]:
    for field in fields:
        for values, negated in ((field.values, False), (field.not_values, True)):
            if not values:
                continue
            if tcp and field.attribute.http_only:
                if allow:
                    raise _Unusable
                continue
            made = [field.make(value) for value in values]
            patterns = tuple(pattern for pattern in made if pattern is not None)
            if allow and len(patterns) < len(made):
                raise _Unusable
            if not patterns:
                continue
            yield Test(
                attribute=field.attribute,
                patterns=patterns,
                negated=negated,
                name=field.name,
                key=field.key,
                claims=field.claims,
            )


def _source(
    source: security.AuthorizationSource | None, mesh: PolicySurroundings
) -> tuple[_Field, ...]:
    if source is None:
        return ()
    principals = (
        _aliased(source.principals or (), mesh.trust_domains),
        _aliased(source.not_principals or (), mesh.trust_domains),
    )
    found = [
        _Field(Attribute.IDENTITY, *principals, _principal(mesh)),
        _Field(
            Attribute.TOKEN_PRINCIPAL,
            source.request_principals,
            source.not_request_principals,
            _token_principal,
        ),
    ]
    if mesh.features.authz_service_accounts:
        accounts = (source.service_accounts, source.not_service_accounts)
        found.append(_Field(Attribute.IDENTITY, *accounts, _account(mesh)))
    if mesh.features.authz_trust_domains:
        domains = (
            _every_alias(source.trust_domains, mesh.trust_domains),
            _every_alias(source.not_trust_domains, mesh.trust_domains),
        )
        found.append(_Field(Attribute.IDENTITY, *domains, _trust_domain))
    found += [
        _Field(Attribute.IDENTITY, source.namespaces, source.not_namespaces, _namespace(mesh)),
        _Field(Attribute.REMOTE_IP, source.remote_ip_blocks, source.not_remote_ip_blocks, _cidr),
        _Field(Attribute.SOURCE_IP, source.ip_blocks, source.not_ip_blocks, _cidr),
    ]
    return tuple(found)


def _operation(
    operation: security.Operation | None, mesh: PolicySurroundings
) -> tuple[_Field, ...]:
    if operation is None:
        return ()
    return (
        _Field(Attribute.HOST, operation.hosts, operation.not_hosts, text),
        _Field(Attribute.METHOD, operation.methods, operation.not_methods, text),
        _Field(Attribute.PATH, operation.paths, operation.not_paths, _path(mesh)),
        _Field(Attribute.PORT, operation.ports, operation.not_ports, _port),
    )


def _condition(condition: security.AuthorizationCondition, mesh: PolicySurroundings) -> _Field:
    """Return a condition as a field. Raises _Unusable for a key that does not exist."""
    key, values, not_values = condition.key, condition.values, condition.not_values
    simple: dict[str, tuple[Attribute, Make]] = {
        "destination.ip": (Attribute.DESTINATION_IP, _cidr),
        "destination.port": (Attribute.PORT, _port),
        "connection.sni": (Attribute.SNI, text),
        "source.ip": (Attribute.SOURCE_IP, _cidr),
        "remote.ip": (Attribute.REMOTE_IP, _cidr),
        "source.namespace": (Attribute.IDENTITY, _namespace(mesh)),
        "source.serviceAccount": (Attribute.IDENTITY, _account(mesh)),
    }
    if key in simple:
        attribute, make = simple[key]
        return _Field(attribute, values, not_values, make)
    if key == "source.principal":
        domains = mesh.trust_domains
        every = (_aliased(values or (), domains), _aliased(not_values or (), domains))
        return _Field(Attribute.IDENTITY, *every, _principal(mesh))
    if key == "source.trustDomain":
        domains = mesh.trust_domains
        every = (_every_alias(values, domains), _every_alias(not_values, domains))
        return _Field(Attribute.IDENTITY, *every, _trust_domain)
    if key == "request.auth.principal":
        return _Field(Attribute.TOKEN_PRINCIPAL, values, not_values, _token_principal)
    if claims := claims_of(key):
        return _Field(Attribute.TOKEN, values, not_values, text, claims=claims)
    head, bracket, name = key.removesuffix("]").partition("[")
    if not bracket or not key.endswith("]"):
        raise _Unusable
    if head == "request.headers":
        return _Field(Attribute.HEADER, values, not_values, text, name)
    if head.startswith(_FILTERS):
        filter_name = head.removeprefix(_FILTERS)
        return _Field(Attribute.METADATA, values, not_values, _value, filter_name, name)
    raise _Unusable


_CLAIMS = {"request.auth.audiences": ("aud",), "request.auth.presenter": ("azp",)}
_NESTED = re.compile(r"\[([^\[\]]*)\]")


def claims_of(key: str) -> tuple[str, ...]:
    """Return the claim that a condition's key means, from the outside in; nothing if it means none:
    `request.auth.claims[a][b]` is the claim `b` in the claim `a`."""
    head = "request.auth.claims"
    if not key.startswith(f"{head}["):
        return _CLAIMS.get(key, ())
    written = key.removeprefix(head)
    found = _NESTED.findall(written)
    if "".join(f"[{claim}]" for claim in found) == written:
        return tuple(found)
    return (written[1:-1],) if written.endswith("]") else ()


def _token_principal(value: str) -> Pattern:
    """Issuer and subject stand around the last slash; a star ends or begins the whole."""
    issuer, slash, subject = value.rpartition("/") if "/" in value else (value, "", "")
    anything = Pattern(kind="present")
    if value == "*":
        return msgspec.structs.replace(anything, subject=anything)
    if value.startswith("*"):
        if not slash:
            return msgspec.structs.replace(anything, subject=text(value))
        return msgspec.structs.replace(text(issuer), subject=Pattern(kind="exact", value=subject))
    exact = Pattern(kind="exact", value=issuer)
    if value.endswith("*"):
        if not slash:
            return msgspec.structs.replace(text(value), subject=anything)
        return msgspec.structs.replace(exact, subject=text(subject))
    return msgspec.structs.replace(exact, subject=Pattern(kind="exact", value=subject))


def text(value: str) -> Pattern:
    """Return the pattern of a string: exact, `prefix*`, `*suffix`, or `*` for any but none."""
    if value == "*":
        return Pattern(kind="present")
    if value.startswith("*"):
        return Pattern(kind="suffix", value=value[1:])
    if value.endswith("*"):
        return Pattern(kind="prefix", value=value[:-1])
    return Pattern(kind="exact", value=value)


def _value(value: str) -> Pattern:
    """Return the pattern of a filter's metadata; `[v]` stands for a list that holds `v`."""
    if not (value.startswith("[") and value.endswith("]")):
        return text(value)
    return msgspec.structs.replace(text(value.strip("[]")), in_list=True)


def _path(mesh: PolicySurroundings) -> Make:
    """Since Istio 1.22 `{*}` stands for one segment and `{**}` for the rest."""

    def make(value: str) -> Pattern:
        if not mesh.features.authz_path_templates or not any(t in value for t in _TEMPLATES):
            return text(value)
        template = value.replace("{*}", "*").replace("{**}", "**")
        return Pattern(kind="template", value=template)

    return make


def _port(value: str) -> Pattern | None:
    usable = value.isascii() and value.isdigit() and int(value) <= 65535
    return Pattern(kind="number", value=str(int(value))) if usable else None


def _cidr(value: str) -> Pattern | None:
    try:
        return Pattern(kind="cidr", value=str(ipaddress.ip_network(value, strict=False)))
    except ValueError:
        return None


def _principal(mesh: PolicySurroundings) -> Make:
    """A principal is written without the scheme that the certificate has."""

    def make(value: str) -> Pattern:
        found = text(value)
        if found.kind == "present":
            return found
        if found.kind == "suffix":
            quoted = _quoted(found.value, mesh.features.authz_escapes_identities)
            return Pattern(kind="regex", value=f"{_SCHEME}.*{quoted}")
        return Pattern(kind=found.kind, value=_SCHEME + found.value)

    return make


def _namespace(mesh: PolicySurroundings) -> Make:
    def make(value: str) -> Pattern:
        escape = mesh.features.authz_escapes_identities
        quoted = ".*".join(_quoted(part, escape) for part in value.split("*"))
        return Pattern(kind="regex", value=f".*/ns/{quoted}/.*")

    return make


def _account(mesh: PolicySurroundings) -> Make:
    """`name` is one of the policy's namespace; the trust domain is any."""

    def make(value: str) -> Pattern:
        namespace, slash, name = value.partition("/")
        if not slash:
            namespace, name = mesh.namespace, value
        escape = mesh.features.authz_escapes_accounts
        namespace, name = _quoted(namespace, escape), _quoted(name, escape)
        return Pattern(kind="regex", value=f"{_SCHEME}.+/ns/{namespace}/(.+/|)sa/{name}(/.+)?")

    return make


def _trust_domain(value: str) -> Pattern:
    found = text(value)
    if found.kind == "present":
        return Pattern(kind="regex", value=f"{_SCHEME}[^/]+/.*")
    if found.kind == "suffix":
        return Pattern(kind="regex", value=f"{_SCHEME}[^/]*{_quoted(found.value, True)}/.*")
    ending = "/" if found.kind == "exact" else ""
    return Pattern(kind="prefix", value=f"{_SCHEME}{found.value}{ending}")


def _quoted(value: str, escape: bool) -> str:
    """Return a value as part of a regular expression. Before its fix Istio left out to escape it,
    so that a dot stood for any character; what then is no expression at all is escaped here."""
    if not escape:
        try:
            re.compile(value)
        except re.error:
            escape = True
    return _META.sub(lambda found: "\\" + found[0], value) if escape else value


def _aliased(principals: Sequence[str], domains: tuple[str, ...]) -> tuple[str, ...]:
    """Return principals under each of the mesh's trust domains, where they name one of those."""
    found: dict[str, None] = {}
    for principal in principals:
        domain, *rest = principal.split("/")
        ours = domain == _LOCAL or any(_fits(domain, known) for known in domains)
        if len(rest) != 4 or domain == "*" or not ours:
            found[principal] = None
            continue
        for known in domains:
            kept = domain if domain.startswith("*") and known.endswith(domain[1:]) else known
            found["/".join((kept, *rest))] = None
    return tuple(found)


def _fits(written: str, known: str) -> bool:
    if written.startswith("*"):
        return known.endswith(written[1:])
    return known.startswith(written[:-1]) if written.endswith("*") else written == known


def _every_alias(written: Sequence[str] | None, domains: tuple[str, ...]) -> tuple[str, ...]:
    found = (domains if each in domains else (each,) for each in written or ())
    return tuple(dict.fromkeys(domain for each in found for domain in each))
