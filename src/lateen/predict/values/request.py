"""A request as it leaves its client, and what any connection carries. Pure."""

import msgspec

from lateen.predict.values.trail import Test, Trail

Headers = tuple[tuple[str, str], ...]
"""Names in lower case, in the order of sending."""


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request on a connection."""

    method: str = "GET"
    path: str = "/"
    """With its query, as sent."""
    authority: str = ""
    headers: Headers = ()
    version: str = "1.1"
    """`1.0`, `1.1` or `2`."""
    body: int = 0
    """Bytes."""
    scheme: str = "http"
    seconds: float = 15.0
    """How long the client waits for the answer."""
    trail: Trail | None = None
    """Where it is noted what is asked of it; None where nobody wants to know."""

    def noted(self, field: str, test: Test, answer: bool) -> bool:
        """Note a test of a field, and return its answer."""
        if self.trail is not None:
            self.trail.note(field, test, answer)
        return answer

    def setting(self, field: str) -> Trail | None:
        """Return the trail of the request after a proxy has set a field."""
        return None if self.trail is None else self.trail.without(field)

    metadata: tuple[tuple[str, str], ...] = ()
    """What filters wrote about it: a JSON object by the filter's name."""
    claims: tuple[tuple[str, str], ...] | None = None
    """Those of a token that is sent wherever one is looked for, rightly signed and in time: for
    statements about all requests. None without such a token."""
    now: float = 0.0
    """When it is sent, in seconds of the epoch; 0 where that is not known."""

    def with_metadata(self, name: str, text: str) -> "Http":
        """Return the request with a filter's metadata."""
        kept = tuple((key, old) for key, old in self.metadata if key != name)
        return msgspec.structs.replace(self, metadata=(*kept, (name, text)))

    def header(self, name: str) -> str | None:
        """Return a header's values joined by commas, as Envoy sees them; None without any. The
        pseudo-headers of HTTP/2 are known by their names whatever version is spoken."""
        pseudo = {
            ":method": self.method,
            ":path": self.path,
            ":authority": self.authority,
            "host": self.authority,
            ":scheme": self.scheme,
        }
        if name in pseudo:
            return pseudo[name]
        values = [value for key, value in self.headers if key == name]
        return ",".join(values) if values else None

    def with_header(self, name: str, value: str) -> "Http":
        """Return the request with a header in place of all of that name."""
        kept = tuple((key, old) for key, old in self.headers if key != name)
        trail = self.setting(f"header {name}")
        return msgspec.structs.replace(self, headers=(*kept, (name, value)), trail=trail)

    def without_header(self, name: str) -> "Http":
        """Return the request without a header."""
        kept = tuple((key, old) for key, old in self.headers if key != name)
        return msgspec.structs.replace(self, headers=kept, trail=self.setting(f"header {name}"))


class Raw(msgspec.Struct, frozen=True):
    """Bytes of no protocol that a proxy knows. `first` says whether the client begins to talk."""

    first: bool = True
    trail: Trail | None = None


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate: who it names and who vouches for it."""

    uris: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    subject: str = ""
    signers: tuple[str, ...] = ()
    """Names of the roots that lead to it; a certificate signed by itself is its own root."""
    self_signed: bool = False
    expired: bool = False

    @property
    def identity(self) -> str:
        """Its first URI, else its subject, as Envoy tells it."""
        return next(iter(self.uris), self.subject)


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """What a TLS client or server demands of the other's certificate."""

    roots: frozenset[str] | None = None
    """Names of the roots that it knows; None accepts any."""
    names: tuple["NameMatch", ...] = ()
    """One of which must match; empty accepts any."""


class NameMatch(msgspec.Struct, frozen=True):
    """A demand on a certificate's names. `kind` is `exact` or `prefix`, `of` is `uri` or `dns`."""

    kind: str
    value: str
    of: str = "uri"


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """A TLS client's side of a connection, and what it carries inside."""

    inner: "Content"
    sni: str = ""
    alpn: tuple[str, ...] = ()
    certificate: Credential | None = None
    trust: Trust = Trust()
    newest: str = "TLSv1.3"
    """The newest version it speaks."""
    by: str = ""
    """The proxy that speaks it; empty for an application."""


Content = Http | Raw | Tls


def innermost(content: Content) -> Http | Raw:
    """Return what is inside all TLS."""
    while isinstance(content, Tls):
        content = content.inner
    return content
