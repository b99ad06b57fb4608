"""Who notices what in a handshake, by version."""

import msgspec

from lateen.predict.envoy import tls
from lateen.predict.values.request import Credential, Http, NameMatch, Tls, Trust

ROOT = frozenset({"mesh"})
OWN = Credential(uris=("spiffe://cluster.local/ns/a/sa/b",), signers=("mesh",))
SERVER = tls.ServerSide(
    certificate=OWN,
    asks=True,
    requires=True,
    trust=Trust(roots=ROOT, names=(NameMatch("prefix", "spiffe://cluster.local/"),)),
)
CLIENT = Tls(inner=Http(), certificate=OWN, trust=Trust(roots=ROOT))


def changed(client: dict[str, object] | None = None, **server: object) -> tls.Handshake:
    mine = msgspec.structs.replace(CLIENT, **(client or {}))
    return tls.handshake(mine, msgspec.structs.replace(SERVER, **server))


def test_both_sides_content() -> None:
    assert changed() == tls.Handshake(mutual=True)


def test_under_13_a_refused_client_learns_it_late_and_without_a_reason() -> None:
    found = changed({"certificate": None})
    assert (found.client, found.server, found.late) == ("", tls.NO_CERTIFICATE, True)


def test_under_12_it_learns_it_in_the_handshake() -> None:
    found = changed({"certificate": None}, newest="TLSv1.2")
    assert (found.client, found.server, found.late) == (
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        tls.NO_CERTIFICATE,
        False,
    )


def test_the_client_looks_first() -> None:
    stranger = Credential(signers=("other",))
    found = changed({"certificate": None}, certificate=stranger)
    assert found.client == tls.UNTRUSTED
    assert found.server == "TLSV1_ALERT_UNKNOWN_CA"


def test_roots_come_before_names_and_dates() -> None:
    asked = Trust(roots=ROOT, names=(NameMatch("exact", "spiffe://else"),))
    assert tls.refusal(OWN, asked) == tls.NAMES
    late = msgspec.structs.replace(OWN, expired=True)
    assert tls.refusal(late, asked) == tls.EXPIRED
    assert tls.refusal(Credential(self_signed=True, signers=("own",)), asked) == tls.SELF_SIGNED


def test_a_wildcard_stands_for_one_label() -> None:
    asked = Trust(names=(NameMatch("exact", "a.example.com", "dns"),))
    assert not tls.refusal(Credential(dns=("*.example.com",)), asked)
    assert tls.refusal(Credential(dns=("*.com",)), asked) == tls.NAMES


def test_the_server_chooses_the_protocol() -> None:
    assert changed({"alpn": ("http/1.1", "h2")}, alpn=("h2", "http/1.1")).alpn == "h2"
    assert changed({"alpn": ("istio",)}, alpn=("h2",)).alpn == ""
