"""Who may ask a workload for what: AuthorizationPolicy as tests on a request. Pure.

A rule matches if all tests of any of its operations hold, and all tests of any of its sources.
"""

from lateen.compiler.ir.value import Choice, Kept, Value
from lateen.model.meta import Source


class Action(Choice):
    """What a match means, in the order of evaluation."""

    CUSTOM = "CUSTOM"
    """Somebody else decides."""
    AUDIT = "AUDIT"
    DENY = "DENY"
    ALLOW = "ALLOW"


class Attribute(Choice):
    """What a test looks at."""

    HOST = "host"
    METHOD = "method"
    PATH = "path"
    """Without the query."""
    PORT = "destination.port"
    """The workload's, not the Service's."""
    DESTINATION_IP = "destination.ip"
    SNI = "connection.sni"
    METADATA = "experimental.envoy.filters"
    IDENTITY = "source.principal"
    """The SPIFFE id in the client's certificate; a plaintext client has none."""
    SOURCE_IP = "source.ip"
    """The address that opened the connection."""
    REMOTE_IP = "remote.ip"
    """The address of the original client, from x-forwarded-for."""
    HEADER = "request.headers"
    TOKEN = "request.auth"
    """A claim of a verified token."""
    TOKEN_PRINCIPAL = "request.auth.principal"
    """Issuer and subject of a verified token."""

    @property
    def of_operation(self) -> bool:
        """Whether Envoy counts it as what is asked (a permission), not who asks."""
        return self in _OF_OPERATION

    @property
    def http_only(self) -> bool:
        """Whether a TCP connection has no such thing."""
        return self in _HTTP_ONLY


_OF_OPERATION = frozenset(
    {
        Attribute.HOST,
        Attribute.METHOD,
        Attribute.PATH,
        Attribute.PORT,
        Attribute.DESTINATION_IP,
        Attribute.SNI,
        Attribute.METADATA,
    }
)
_HTTP_ONLY = frozenset(
    {
        Attribute.HOST,
        Attribute.METHOD,
        Attribute.PATH,
        Attribute.HEADER,
        Attribute.TOKEN,
        Attribute.TOKEN_PRINCIPAL,
    }
)


class Pattern(Value, frozen=True, kw_only=True):
    """`kind` is exact, prefix, suffix, present (not empty), regex (a full RE2 match), template
    (Envoy's URI template), cidr or number."""

    kind: str
    value: str = ""
    in_list: bool = False
    """Whether the attribute is a list, one member of which must fit."""
    subject: "Pattern | None" = None
    """Of a token's principal: what the subject must fit, as the issuer fits this."""


class Test(Value, frozen=True, kw_only=True):
    """Holds if the attribute fits one of the patterns (none: never); `negated`, if it does not."""

    attribute: Attribute
    patterns: tuple[Pattern, ...]
    negated: bool = False
    name: str = ""
    """The header, or the filter whose metadata is meant."""
    key: str = ""
    """Which value of that metadata."""
    claims: tuple[str, ...] = ()
    """The claim, from the outside in."""


class Rule(Value, frozen=True, kw_only=True):
    """One rule of a policy. Without operations or sources it matches nothing."""

    name: str
    """Istio's name, which Envoy tells when it matches: `ns[default]-policy[web]-rule[0]`."""
    source: Source
    operations: tuple[tuple[Test, ...], ...] = ()
    sources: tuple[tuple[Test, ...], ...] = ()

    @property
    def asks_token(self) -> bool:
        """Whether no request without a verified token can match it."""
        return bool(self.sources) and all(map(_asks_token, self.sources))

    @property
    def asks_identity(self) -> bool:
        """Whether nobody without a certificate of the mesh can match it."""
        return bool(self.sources) and all(map(_asks_identity, self.sources))


def _asks_token(tests: tuple[Test, ...]) -> bool:
    of_tokens = (Attribute.TOKEN, Attribute.TOKEN_PRINCIPAL)
    return any(t.attribute in of_tokens and not t.negated for t in tests)


def _asks_identity(tests: tuple[Test, ...]) -> bool:
    return any(t.attribute is Attribute.IDENTITY and not t.negated for t in tests)


class ShownBody(Value, frozen=True, kw_only=True):
    """How much of a request's body an authorizer is shown."""

    most: int
    """Bytes."""
    partial: bool = False
    as_bytes: bool = False


class Authorizer(Value, frozen=True, kw_only=True):
    """Who decides for CUSTOM: a provider of the mesh configuration."""

    name: str
    source: Source
    service: str = ""
    """As written: `host`, or `namespace/host`."""
    port: int = 0
    grpc: bool = False
    cluster: str = ""
    """Where it is asked; empty until its host is found."""
    fault: str = ""
    """Why it cannot be asked at all: then what the rules match is refused."""
    timeout: float = 600.0
    """Seconds."""
    fail_open: bool = False
    status_on_error: int = 0
    """What is answered where it gives no decision; 0 is Envoy's 403."""
    path_prefix: str = ""
    body: ShownBody | None = None
    shown: tuple[Pattern, ...] = ()
    """Headers of the request, over HTTP; over gRPC it is shown all."""
    added: tuple[tuple[str, str], ...] = ()
    to_upstream: tuple[Pattern, ...] = ()
    to_refused: tuple[Pattern, ...] = ()
    to_allowed: tuple[Pattern, ...] = ()

    @property
    def host(self) -> str:
        """The service's host name."""
        return self.service.rpartition("/")[2]


class Check(Value, frozen=True, kw_only=True):
    """The rules of one action, as they are evaluated together.

    ALLOW refuses what no rule matches, if there is a policy; that it has no rule (left) does not
    help.
    """

    action: Action
    rules: tuple[Rule, ...] = ()
    policies: tuple[Source, ...] = ()
    """The policies that are enforced."""
    dry_rules: tuple[Rule, ...] = ()
    """Counted, never enforced: `istio.io/dry-run`."""
    dry_policies: tuple[Source, ...] = ()
    authorizer: Authorizer | None = None
    """Of CUSTOM: who is asked about what the rules match. None: that is refused."""


class Authorization(Kept, frozen=True, kw_only=True):
    """All that is checked at one workload, for requests and for TCP connections, in order."""

    http: tuple[Check, ...]
    tcp: tuple[Check, ...]

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Return every rule once, those of dry runs too."""
        found: dict[str, Rule] = {}
        for check in (*self.http, *self.tcp):
            for rule in (*check.rules, *check.dry_rules):
                found.setdefault(rule.name, rule)
        return tuple(found.values())

    @property
    def policies(self) -> tuple[Source, ...]:
        """Return the AuthorizationPolicies that apply, those of dry runs too."""
        return tuple(p for check in self.http for p in (*check.policies, *check.dry_policies))

    @property
    def authorizer(self) -> Authorizer | None:
        """Return who is asked, if anybody is."""
        return next((c.authorizer for c in self.http if c.authorizer is not None), None)

    def allowing(self, *, http: bool) -> Check | None:
        """Return the rules of which one must match; None if nothing has to."""
        checks = self.http if http else self.tcp
        return next((c for c in checks if c.action is Action.ALLOW and c.policies), None)
