"""A TLS handshake between two sides whose demands are known. Pure.

Which side notices what decides what is logged: a client looks at the server's certificate before it
sends its own; under TLS 1.3 it then thinks that all is well, and a refusal of its own certificate
reaches it as an end of the connection without a reason. Under 1.2 the refusal comes in time.
"""

import msgspec

from lateen.predict.values.request import Credential, NameMatch, Tls, Trust

_VERSIONS = ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")


class ServerSide(msgspec.Struct, frozen=True, kw_only=True):
    """A TLS server's side."""

    certificate: Credential | None
    """None: it has none, and cannot serve."""
    alpn: tuple[str, ...] = ()
    asks: bool = False
    """Whether it asks for a client certificate at all."""
    requires: bool = False
    trust: Trust = Trust()
    oldest: str = "TLSv1.2"
    newest: str = "TLSv1.3"


class Handshake(msgspec.Struct, frozen=True, kw_only=True):
    """How it went. `client` is why the client's side failed in the handshake; `server` what the
    server's side says; `late` that the client learns of it after its own handshake is done."""

    client: str = ""
    server: str = ""
    late: bool = False
    alpn: str = ""
    mutual: bool = False

    @property
    def done(self) -> bool:
        """Whether both sides are content."""
        return not (self.client or self.server)


UNTRUSTED = "CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate"
SELF_SIGNED = "CERTIFICATE_VERIFY_FAILED: self signed certificate"
EXPIRED = "CERTIFICATE_VERIFY_FAILED: certificate has expired"
NAMES = "CERTIFICATE_VERIFY_FAILED: SAN matcher"
NO_CERTIFICATE = "PEER_DID_NOT_RETURN_A_CERTIFICATE"
NO_PROTOCOL = "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"


OF_THE_SERVER = frozenset({UNTRUSTED, SELF_SIGNED, EXPIRED, NAMES})
"""Reasons of a client that does not accept the server's certificate."""


def refusal(shown: Credential, trust: Trust) -> str:
    """Return why a certificate is not accepted; empty if it is. The chain is looked at before the
    names."""
    if trust.roots is not None:
        if not trust.roots.intersection(shown.signers):
            return SELF_SIGNED if shown.self_signed else UNTRUSTED
        if shown.expired:
            return EXPIRED
    if trust.names and not any(_named(shown, each) for each in trust.names):
        return NAMES
    return ""


def _named(shown: Credential, wanted: NameMatch) -> bool:
    for name in shown.uris if wanted.of == "uri" else shown.dns:
        if wanted.kind == "prefix" and name.startswith(wanted.value):
            return True
        if wanted.kind == "exact" and _same(name, wanted):
            return True
    return False


def _same(name: str, wanted: NameMatch) -> bool:
    """A DNS name may be a wildcard, which stands for one label."""
    if wanted.of == "dns" and name.startswith("*."):
        return wanted.value.lower().partition(".")[2] == name[2:].lower()
    return name.lower() == wanted.value.lower() if wanted.of == "dns" else name == wanted.value


_ALERTS = {
    UNTRUSTED: "TLSV1_ALERT_UNKNOWN_CA",
    SELF_SIGNED: "TLSV1_ALERT_UNKNOWN_CA",
    EXPIRED: "SSLV3_ALERT_CERTIFICATE_EXPIRED",
    NAMES: "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
}


def handshake(client: Tls, server: ServerSide) -> Handshake:
    """Return how a handshake goes."""
    version = min(client.newest, server.newest, key=_VERSIONS.index)
    if _VERSIONS.index(version) < _VERSIONS.index(server.oldest):
        return Handshake(client="TLSV1_ALERT_PROTOCOL_VERSION", server="UNSUPPORTED_PROTOCOL")
    if server.certificate is None:
        return Handshake(client="SSLV3_ALERT_HANDSHAKE_FAILURE", server="NO_CERTIFICATE_SET")
    refused = refusal(server.certificate, client.trust)
    if refused:
        return Handshake(client=refused, server=_ALERTS[refused])
    alpn = next((each for each in server.alpn if each in client.alpn), "")
    if not server.asks:
        return Handshake(alpn=alpn)
    if client.certificate is None:
        if not server.requires:
            return Handshake(alpn=alpn)
        return _unwelcome(NO_CERTIFICATE, "SSLV3_ALERT_HANDSHAKE_FAILURE", version)
    refused = refusal(client.certificate, server.trust)
    if refused:
        return _unwelcome(refused, _ALERTS[refused], version)
    return Handshake(alpn=alpn, mutual=True)


def _unwelcome(server: str, alert: str, version: str) -> Handshake:
    if version == "TLSv1.3":
        return Handshake(server=server, late=True)
    return Handshake(client=alert, server=server)
