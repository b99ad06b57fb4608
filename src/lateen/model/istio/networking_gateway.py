"""Istio's Gateway. Pure."""

from typing import Annotated

from msgspec import field

from lateen.model.istio.types import IstioStatus, Port, ProtoObject
from lateen.model.schema.marks import ProtoStruct, doc

TLS_VERSIONS = ("TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3")


class TLSCertificate(ProtoStruct, frozen=True, kw_only=True):
    """A certificate in files of the gateway."""

    server_certificate: Annotated[str, doc("File of the certificate chain.")] = ""
    private_key: Annotated[str, doc("File of the private key.")] = ""
    ca_certificates: Annotated[
        str, doc("File of the CA that clients are checked against.", compiled=False)
    ] = ""


class ServerTLSSettings(ProtoStruct, frozen=True, kw_only=True):
    """How a gateway's server ends TLS."""

    https_redirect: Annotated[bool, doc("Answer HTTP with 301 to https.")] = False
    mode: Annotated[
        str,
        doc(
            "Whether and how TLS ends here; default PASSTHROUGH.",
            enum=(
                "PASSTHROUGH",
                "SIMPLE",
                "MUTUAL",
                "AUTO_PASSTHROUGH",
                "ISTIO_MUTUAL",
                "OPTIONAL_MUTUAL",
            ),
        ),
    ] = "PASSTHROUGH"
    server_certificate: Annotated[str, doc("File of the certificate chain.")] = ""
    private_key: Annotated[str, doc("File of the private key.")] = ""
    ca_certificates: Annotated[str, doc("File of the CA that clients are checked against.")] = ""
    ca_crl: Annotated[str, doc("File of revoked client certificates.")] = ""
    credential_name: Annotated[
        str, doc("Secret with the certificate, in the gateway workload's namespace.")
    ] = ""
    ca_cert_credential_name: Annotated[
        str, doc("Secret with the CA alone; it goes before those of the others.")
    ] = ""
    credential_names: Annotated[tuple[str, ...], doc("Two Secrets: one RSA, one ECDSA.")] = ()
    tls_certificates: Annotated[tuple[TLSCertificate, ...], doc("Two certificates in files.")] = ()
    subject_alt_names: Annotated[tuple[str, ...], doc("Names a client must have.")] = ()
    verify_certificate_spki: Annotated[tuple[str, ...], doc("Accepted client key hashes.")] = ()
    verify_certificate_hash: Annotated[
        tuple[str, ...], doc("Accepted client certificate hashes.")
    ] = ()
    min_protocol_version: Annotated[str, doc("Lowest TLS version.", enum=TLS_VERSIONS)] = "TLS_AUTO"
    max_protocol_version: Annotated[str, doc("Highest TLS version.", enum=TLS_VERSIONS)] = (
        "TLS_AUTO"
    )
    cipher_suites: Annotated[tuple[str, ...], doc("Ciphers offered, up to TLS 1.2.")] = ()
    ecdh_curves: Annotated[tuple[str, ...], doc("Curves offered.")] = ()
    insecure_skip_verify: Annotated[bool | None, doc("Accept any client certificate.")] = None


class Server(ProtoStruct, frozen=True, kw_only=True):
    """One port of a gateway and the hosts on it."""

    port: Annotated[Port | None, doc("Port listened on.", required=True)] = None
    bind: Annotated[str, doc("Address or Unix socket to listen on.")] = ""
    hosts: Annotated[
        tuple[str, ...], doc("Hosts exposed, as `[namespace/]host`.", required=True)
    ] = ()
    tls: Annotated[ServerTLSSettings | None, doc("How TLS ends.")] = None
    default_endpoint: Annotated[str, doc("Not used by gateways.", compiled=False)] = ""
    name: Annotated[str, doc("Name of the server.")] = ""


class GatewaySpec(ProtoStruct, frozen=True, kw_only=True):
    """Which proxies listen, where, and for what."""

    servers: Annotated[tuple[Server, ...], doc("Ports and hosts.")] = ()
    selector: Annotated[
        dict[str, str], doc("Labels of the gateway pods; empty: every gateway.")
    ] = field(default_factory=dict)


class Gateway(ProtoObject, frozen=True, kw_only=True):
    """Opens ports at the edge of the mesh."""

    spec: Annotated[GatewaySpec, doc("What it opens.")] = GatewaySpec()
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()
