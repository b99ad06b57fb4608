import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from lateen.base.clock import ManualClock, SystemClock
from lateen.pki.authority import INTERMEDIATE_LIFETIME, ROOT_LIFETIME, Authority
from lateen.pki.svid import Certificate, PkiError

ID = "spiffe://cluster.local/ns/default/sa/web"
DAY = 86_400.0


def leaf(issued: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificates(issued.chain_pem.encode())[0]


def test_svid_has_istios_shape(authority: Authority, clock: ManualClock) -> None:
    svid = authority.issue(ID, 3600)
    chain = x509.load_pem_x509_certificates(svid.chain_pem.encode())
    assert len(chain) == 2
    certificate = chain[0]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == [ID]
    assert len(list(names.value)) == 1
    assert not certificate.subject.rdns
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.key_encipherment
    assert not usage.value.key_cert_sign
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(purposes.value) == [
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    ]
    assert certificate.not_valid_before_utc == clock.now() - timedelta(minutes=2)
    assert certificate.not_valid_after_utc == clock.now() + timedelta(hours=1)
    assert svid.serial == f"{certificate.serial_number:032x}"
    assert 64 < certificate.serial_number.bit_length() <= 128
    assert svid.key_pem not in repr(svid)


@pytest.mark.parametrize(
    ("ttl", "hours"), [(0.0, 24), (-5.0, 24), (60 * DAY, 60 * 24), (90 * DAY, 90 * 24)]
)
def test_lifetime(authority: Authority, clock: ManualClock, ttl: float, hours: int) -> None:
    assert authority.issue(ID, ttl).not_after == clock.now() + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("identity", "ttl", "message"),
    [
        (ID, 90 * DAY + 1, "the most is 90 days"),
        ("spiffe://cluster.local/ns/default", 0, "not a workload identity"),
        ("spiffe://cluster.local/ns/default/sa/web/x", 0, "not a workload identity"),
        ("https://cluster.local/ns/default/sa/web", 0, "not a workload identity"),
    ],
)
def test_refusals(authority: Authority, identity: str, ttl: float, message: str) -> None:
    with pytest.raises(PkiError, match=message):
        authority.issue(identity, ttl)


def test_a_mesh_may_change_its_trust_domain(authority: Authority) -> None:
    other = "spiffe://other.example/ns/default/sa/web"
    assert authority.issue(other).identity == other


def test_at_sign_of_a_trust_domain_becomes_a_dot(tmp_path: Path, clock: ManualClock) -> None:
    authority = Authority.open(tmp_path, clock, "me@example.org")
    assert authority.trust_domain == "me.example.org"
    assert authority.issue("spiffe://me.example.org/ns/a/sa/b").identity.endswith("/ns/a/sa/b")


def test_files_are_private_and_opened_again(tmp_path: Path, clock: ManualClock) -> None:
    first = Authority.open(tmp_path / "ca", clock)
    assert (tmp_path / "ca").stat().st_mode & 0o777 == 0o700
    files = sorted((tmp_path / "ca").iterdir())
    assert [each.name for each in files] == ["intermediate.pem", "retired-roots.pem", "root.pem"]
    assert {each.stat().st_mode & 0o777 for each in files} == {0o600}
    again = Authority.open(tmp_path / "ca", clock)
    assert again.root_pem == first.root_pem
    assert (
        again.issue(ID).chain_pem.split("-----END")[1]
        == (first.issue(ID).chain_pem.split("-----END")[1])
    )


def test_intermediate_is_replaced_in_time(
    authority: Authority, clock: ManualClock, advance: Callable[[float], None]
) -> None:
    root = authority.root_pem
    old = authority.issue(ID)
    advance(INTERMEDIATE_LIFETIME.total_seconds() * 0.79)
    assert leaf(authority.issue(ID)).issuer == leaf(old).issuer
    advance(INTERMEDIATE_LIFETIME.total_seconds() * 0.02)
    renewed = authority.issue(ID, 90 * DAY)
    assert leaf(renewed).issuer != leaf(old).issuer
    assert renewed.not_after == clock.now() + timedelta(days=90)
    assert authority.root_pem == root


def test_replaced_root_stays_trusted_until_it_ends(
    authority: Authority, tmp_path: Path, clock: ManualClock, advance: Callable[[float], None]
) -> None:
    old = authority.root_pem
    advance(ROOT_LIFETIME.total_seconds() * 0.81)
    authority.issue(ID)
    both = authority.root_pem
    assert both.endswith(old)
    assert both.count("BEGIN CERTIFICATE") == 2
    assert Authority.open(tmp_path / "ca", clock).root_pem == both
    advance(ROOT_LIFETIME.total_seconds() * 0.2)
    assert authority.root_pem == both.removesuffix(old)


def test_leaf_never_outlives_its_issuer(authority: Authority, clock: ManualClock) -> None:
    certificate = authority.server_certificate(["localhost"])
    issuer = x509.load_pem_x509_certificates(certificate.chain_pem.encode())[1]
    assert certificate.not_after <= issuer.not_valid_after_utc
    assert certificate.not_after == clock.now() + timedelta(days=365)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("root.pem", b"rubbish", "damaged"),
        ("intermediate.pem", b"", "damaged"),
        ("retired-roots.pem", b"rubbish", "damaged"),
    ],
)
def test_damaged_files_are_named(
    tmp_path: Path, clock: ManualClock, file: str, content: bytes, message: str
) -> None:
    Authority.open(tmp_path, clock)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(PkiError, match=rf"{file} is {message}.*remove its directory"):
        Authority.open(tmp_path, clock)


def test_mixed_up_keys_are_noticed(tmp_path: Path, clock: ManualClock) -> None:
    one = Authority.open(tmp_path / "one", clock)
    Authority.open(tmp_path / "two", clock)
    key = (tmp_path / "two" / "root.pem").read_text().split("-----BEGIN PRIVATE")[1]
    (tmp_path / "one" / "root.pem").write_text(one.root_pem + "-----BEGIN PRIVATE" + key)
    with pytest.raises(PkiError, match="do not belong together"):
        Authority.open(tmp_path / "one", clock)


def test_other_trust_domain_is_refused(tmp_path: Path, clock: ManualClock) -> None:
    Authority.open(tmp_path, clock, "cluster.local")
    with pytest.raises(PkiError, match=r"another trust domain than example\.org"):
        Authority.open(tmp_path, clock, "example.org")


def context(side: ssl._SSLMethod, mine: Certificate, root: str, folder: Path) -> ssl.SSLContext:
    (folder / f"{mine.serial}.pem").write_text(mine.chain_pem + mine.key_pem)
    made = ssl.SSLContext(side)
    made.load_cert_chain(folder / f"{mine.serial}.pem")
    made.load_verify_locations(cadata=root)
    made.verify_mode = ssl.CERT_REQUIRED
    return made


def handshake(
    client: ssl.SSLContext, server: ssl.SSLContext, host: str | None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(down, up, server_hostname=host)
    other = server.wrap_bio(up, down, server_side=True)
    done: set[ssl.SSLObject] = set()
    for _ in range(20):
        for side in (one, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            done.add(side)
        if len(done) == 2:
            return one, other
    raise AssertionError("no handshake")


def test_real_mutual_tls_between_workloads(tmp_path: Path) -> None:
    authority = Authority.open(tmp_path / "ca", SystemClock())
    server = context(ssl.PROTOCOL_TLS_SERVER, authority.issue(ID), authority.root_pem, tmp_path)
    client = context(
        ssl.PROTOCOL_TLS_CLIENT,
        authority.issue("spiffe://cluster.local/ns/default/sa/client"),
        authority.root_pem,
        tmp_path,
    )
    client.check_hostname = False
    near, far = handshake(client, server, None)
    assert dict(near.getpeercert() or {})["subjectAltName"] == (("URI", ID),)
    assert dict(far.getpeercert() or {})["subjectAltName"][0][1].endswith("/sa/client")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "kubernetes.default.svc"])
def test_server_certificate_answers_to_its_hosts(tmp_path: Path, host: str) -> None:
    authority = Authority.open(tmp_path / "ca", SystemClock())
    hosts = ["127.0.0.1", "localhost", "kubernetes.default.svc"]
    server = context(
        ssl.PROTOCOL_TLS_SERVER,
        authority.server_certificate(hosts),
        authority.root_pem,
        tmp_path,
    )
    server.verify_mode = ssl.CERT_NONE
    client = ssl.create_default_context(cadata=authority.root_pem)
    handshake(client, server, host)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(client, server, "other.example")


def test_server_certificate_needs_a_host(authority: Authority) -> None:
    with pytest.raises(PkiError, match="at least one host"):
        authority.server_certificate([])
