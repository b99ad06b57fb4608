"""TLS contexts: what a proxy presents, what it demands, by which names. Pure.

Keys and certificates never appear here, only the names of secrets (SDS over the same stream).
"""

from collections.abc import Iterable
from functools import cache

from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2
from google.protobuf import any_pb2

from lateen.compiler.backend import names, pack
from lateen.compiler.ir.policy import SYSTEM_ROOTS, ClientTls, TlsMode
from lateen.compiler.ir.proxy import MeshSettings, OutboundCluster, ServerTls
from lateen.model import identity

CIPHERS = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
)
"""Istio's list for mesh mTLS on the server side (TLS 1.2; 1.3 has its own suites)."""

ISTIO_ALPN = ("istio-peer-exchange", "istio")
"""What a client offers for Istio mTLS unless the HTTP filters override it."""
HTTP_ALPN = ("h2", "http/1.1")
TCP_SERVER_ALPN = ("istio-peer-exchange", "h2", "http/1.1")

TLS_SOCKET = "envoy.transport_sockets.tls"
RAW_SOCKET = "envoy.transport_sockets.raw_buffer"

CERTIFICATE_FILE = "file-cert:"
ROOT_FILE = "file-root:"
"""How Istio names what is in the proxy's own files."""

_SanType = common_pb2.SubjectAltNameMatcher.SanType
_URI = (_SanType.URI,)
_ANY_NAME = (_SanType.DNS, _SanType.IP_ADDRESS, _SanType.URI)
_Protocol = common_pb2.TlsParameters.TlsProtocol


def secret(name: str) -> secret_pb2.SdsSecretConfig:
    """Return a reference to a secret delivered over the aggregated stream."""
    return secret_pb2.SdsSecretConfig(name=name, sds_config=pack.ads())


@cache
def _workload_context() -> bytes:
    """Return the context every Istio mTLS side starts from: own SVID, TLS 1.2 to 1.3."""
    context = tls_pb2.CommonTlsContext(
        tls_certificate_sds_secret_configs=[secret(names.WORKLOAD_SECRET)]
    )
    _versions(context, "TLSv1_2", "TLSv1_3")
    root = context.combined_validation_context.validation_context_sds_secret_config
    root.CopyFrom(secret(names.ROOT_SECRET))
    context.combined_validation_context.default_validation_context.SetInParent()
    return bytes(context.SerializeToString())


@cache
def _client_context(http2: bool) -> bytes:
    context = tls_pb2.CommonTlsContext.FromString(_workload_context())
    context.alpn_protocols.extend(ISTIO_ALPN)
    if http2:
        context.alpn_protocols.append("h2")
    return bytes(context.SerializeToString())


def _log_keys(context: tls_pb2.CommonTlsContext, settings: MeshSettings) -> None:
    """Let the proxy write the keys of its connections, where the lab wants captures decrypted."""
    if settings.key_log:
        context.key_log.path = settings.key_log


def _versions(context: tls_pb2.CommonTlsContext, minimum: str, maximum: str) -> None:
    params = context.tls_params
    params.SetInParent()
    if minimum:
        params.tls_minimum_protocol_version = _Protocol.Value(minimum)
    if maximum:
        params.tls_maximum_protocol_version = _Protocol.Value(maximum)


def socket(
    context: tls_pb2.UpstreamTlsContext | tls_pb2.DownstreamTlsContext,
) -> base_pb2.TransportSocket:
    """Return the TLS transport socket around a context."""
    return base_pb2.TransportSocket(name=TLS_SOCKET, typed_config=pack.any_of(context))


@cache
def _raw_config() -> any_pb2.Any:
    return pack.any_of(raw_buffer_pb2.RawBuffer())


def raw_socket() -> base_pb2.TransportSocket:
    """Return the plaintext transport socket."""
    return base_pb2.TransportSocket(name=RAW_SOCKET, typed_config=_raw_config())


def with_proxy_protocol(inner: base_pb2.TransportSocket, version: int) -> base_pb2.TransportSocket:
    """Return a socket that sends the PROXY protocol's header before anything of `inner`."""
    from envoy.config.core.v3 import proxy_protocol_pb2
    from envoy.extensions.transport_sockets.proxy_protocol.v3 import upstream_proxy_protocol_pb2

    header = proxy_protocol_pb2.ProxyProtocolConfig(version=f"V{version}")
    config = upstream_proxy_protocol_pb2.ProxyProtocolUpstreamTransport(
        config=header, transport_socket=inner
    )
    return base_pb2.TransportSocket(
        name="envoy.transport_sockets.upstream_proxy_protocol", typed_config=pack.any_of(config)
    )


def _present(common: tls_pb2.CommonTlsContext, certificate: str) -> None:
    """Present a certificate: from a file of the proxy's, or a secret."""
    if certificate.startswith(CERTIFICATE_FILE):
        chain, _, key = certificate.removeprefix(CERTIFICATE_FILE).partition("~")
        made = common.tls_certificates.add()
        made.certificate_chain.filename = chain
        made.private_key.filename = key
    else:
        common.tls_certificate_sds_secret_configs.append(secret(certificate))


def _trust(
    common: tls_pb2.CommonTlsContext, authority: str
) -> common_pb2.CertificateValidationContext:
    """Trust a CA, in a file of the proxy's or a secret; return what else may be demanded."""
    if authority.startswith(ROOT_FILE):
        common.validation_context.trusted_ca.filename = authority.removeprefix(ROOT_FILE)
        return common.validation_context
    combined = common.combined_validation_context
    combined.validation_context_sds_secret_config.CopyFrom(secret(authority))
    combined.default_validation_context.SetInParent()
    return combined.default_validation_context


def _exact_names(validation: common_pb2.CertificateValidationContext, sans: Iterable[str]) -> None:
    """Accept a certificate that carries any of these names as URI, DNS name or address.

    A DestinationRule's subjectAltNames do not say of which type they are.
    """
    for san in sans:
        for kind in _URI if "://" in san else _ANY_NAME:
            matcher = validation.match_typed_subject_alt_names.add(san_type=kind)
            matcher.matcher.exact = san


def istio_upstream(
    cluster: OutboundCluster, settings: MeshSettings, tls: ClientTls | None = None
) -> tls_pb2.UpstreamTlsContext:
    """Return the client's side of Istio mTLS, automatic or by ISTIO_MUTUAL."""
    context = tls_pb2.UpstreamTlsContext(sni=tls.sni if tls and tls.sni else cluster.sni)
    common = context.common_tls_context
    common.ParseFromString(_client_context(cluster.policy.http2(cluster.protocol)))
    _log_keys(common, settings)
    validation = common.combined_validation_context.default_validation_context
    _exact_names(validation, tls.sans if tls and tls.sans else cluster.sans)
    return context


def user_upstream(
    tls: ClientTls, settings: MeshSettings, *, http2: bool, system_roots: str
) -> tls_pb2.UpstreamTlsContext:
    """Return the context of a DestinationRule's SIMPLE or MUTUAL.

    `system_roots` is the path of the machine's bundle, used when the rule names no CA and the
    Istio version verifies (1.21 and newer).
    """
    context = tls_pb2.UpstreamTlsContext(sni=tls.sni)
    common = context.common_tls_context
    _log_keys(common, settings)
    _versions(common, "TLSv1_2", "TLSv1_3")
    if tls.mode is TlsMode.MUTUAL and tls.certificate:
        _present(common, tls.certificate)
    if http2:
        common.alpn_protocols.append("h2")
    if tls.insecure_skip_verify or not tls.ca:
        return context
    if tls.ca == SYSTEM_ROOTS:
        validation = common.validation_context
        validation.trusted_ca.filename = system_roots
    else:
        validation = _trust(common, tls.ca)
    if tls.crl:
        validation.crl.filename = tls.crl
    _exact_names(validation, tls.sans)
    return context


def inbound(settings: MeshSettings, *, http: bool) -> tls_pb2.DownstreamTlsContext:
    """Return the server's side of Istio mTLS on `virtualInbound`."""
    context = tls_pb2.DownstreamTlsContext()
    context.require_client_certificate.value = True
    common = context.common_tls_context
    common.ParseFromString(_workload_context())
    _log_keys(common, settings)
    common.tls_params.cipher_suites.extend(CIPHERS)
    common.alpn_protocols.extend(HTTP_ALPN if http else TCP_SERVER_ALPN)
    validation = common.combined_validation_context.default_validation_context
    for trusted in dict.fromkeys((settings.trust_domain, *settings.trust_domain_aliases)):
        matcher = validation.match_typed_subject_alt_names.add(san_type=_SanType.URI)
        matcher.matcher.prefix = f"{identity.SCHEME}{identity.domain(trusted)}/"
    return context


def gateway(tls: ServerTls, settings: MeshSettings) -> tls_pb2.DownstreamTlsContext:
    """Return how a Gateway server terminates TLS."""
    if tls.mode is TlsMode.ISTIO_MUTUAL:
        return _gateway_istio(tls, settings)
    context = tls_pb2.DownstreamTlsContext()
    common = context.common_tls_context
    _log_keys(common, settings)
    for name in tls.secrets:
        _present(common, name)
    common.alpn_protocols.extend(HTTP_ALPN)
    if tls.min_version or tls.max_version or tls.ciphers or tls.curves:
        _versions(common, _version(tls.min_version), _version(tls.max_version))
        common.tls_params.cipher_suites.extend(tls.ciphers)
        common.tls_params.ecdh_curves.extend(tls.curves)
    if tls.mode in (TlsMode.MUTUAL, TlsMode.OPTIONAL_MUTUAL):
        context.require_client_certificate.value = tls.mode is TlsMode.MUTUAL
        validation = _trust(common, tls.ca)
        if tls.crl:
            validation.crl.filename = tls.crl
        validation.verify_certificate_spki.extend(tls.key_hashes)
        validation.verify_certificate_hash.extend(tls.certificate_hashes)
        _exact_names(validation, tls.sans)
        if tls.insecure_skip_verify:
            untrusted = common_pb2.CertificateValidationContext.TrustChainVerification
            validation.trust_chain_verification = untrusted.ACCEPT_UNTRUSTED
    return context


def _gateway_istio(tls: ServerTls, settings: MeshSettings) -> tls_pb2.DownstreamTlsContext:
    context = tls_pb2.DownstreamTlsContext()
    context.require_client_certificate.value = True
    common = context.common_tls_context
    common.ParseFromString(_workload_context())
    _log_keys(common, settings)
    common.alpn_protocols.extend(HTTP_ALPN)
    _exact_names(common.combined_validation_context.default_validation_context, tls.sans)
    return context


def _version(name: str) -> str:
    """Turn the Gateway API's `TLSV1_2` into Envoy's `TLSv1_2`; automatic or empty stays empty."""
    return name.replace("TLSV", "TLSv") if name.startswith("TLSV") else ""
