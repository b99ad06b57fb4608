"""What a TLS context presents and demands, its secrets looked up. Pure."""

from typing import Any

from lateen.predict.connection.run import Run
from lateen.predict.envoy import tls
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.request import Content, Credential, NameMatch, Tls, Trust


def server_side(run: Run, proxy: str, context: Any) -> tls.ServerSide:
    """Return a DownstreamTlsContext as a side of a handshake, its secrets looked up."""
    common = context.common_tls_context
    certificate = None
    for each in common.tls_certificate_sds_secret_configs:
        certificate = certificate or run.world.secrets.certificate(proxy, each.name)
    if common.tls_certificates:
        raise UnknownError("a certificate in a file of the proxy's")
    validated = _has_validation(common)
    params = common.tls_params
    return tls.ServerSide(
        certificate=certificate,
        alpn=tuple(common.alpn_protocols),
        asks=validated,
        requires=context.require_client_certificate.value,
        trust=trust(run, proxy, common),
        oldest=_version(params.tls_minimum_protocol_version, "TLSv1.2"),
        newest=_version(params.tls_maximum_protocol_version, "TLSv1.3"),
    )


def _version(number: int, default: str) -> str:
    return {0: default, 1: "TLSv1.0", 2: "TLSv1.1", 3: "TLSv1.2", 4: "TLSv1.3"}[number]


def _has_validation(common: Any) -> bool:
    return common.WhichOneof("validation_context_type") is not None


_SAN_KINDS = {1: "email", 2: "dns", 3: "uri", 4: "ip"}


def trust(run: Run, proxy: str, common: Any) -> Trust:
    """Return what a CommonTlsContext demands of the other side's certificate."""
    kind = common.WhichOneof("validation_context_type")
    if kind is None:
        return Trust()
    roots: frozenset[str] | None = None
    if kind == "combined_validation_context":
        validation = common.combined_validation_context.default_validation_context
        name = common.combined_validation_context.validation_context_sds_secret_config.name
        roots = run.world.secrets.roots(proxy, name) or frozenset()
    elif kind == "validation_context":
        validation = common.validation_context
        if validation.trusted_ca.filename:
            roots = run.world.network.system_roots
    else:
        raise UnknownError(f"trust by {kind}")
    if validation.trust_chain_verification == 1:  # ACCEPT_UNTRUSTED
        roots = None
    if validation.verify_certificate_spki or validation.verify_certificate_hash:
        raise UnknownError("a certificate that is known by its hash")
    names = []
    for each in validation.match_typed_subject_alt_names:
        how = each.matcher.WhichOneof("match_pattern")
        if how not in ("exact", "prefix"):
            raise UnknownError(f"a certificate's name matched by {how}")
        names.append(NameMatch(how, getattr(each.matcher, how), _SAN_KINDS[each.san_type]))
    return Trust(roots=roots, names=tuple(names))


def client_side(
    run: Run, proxy: str, context: Any, inner: Content, alpn: tuple[str, ...], host: str
) -> Tls:
    """Return an UpstreamTlsContext around what it carries. `host` is the request's, where the
    cluster takes SNI and names from it; empty where it does not."""
    common = context.common_tls_context
    certificate: Credential | None = None
    for each in common.tls_certificate_sds_secret_configs:
        certificate = certificate or run.world.secrets.certificate(proxy, each.name)
    if common.tls_certificates:
        raise UnknownError("a certificate in a file of the proxy's")
    return Tls(
        inner=inner,
        sni=context.sni or host,
        alpn=alpn or tuple(common.alpn_protocols),
        certificate=certificate,
        trust=trust(run, proxy, common),
        by=proxy,
        newest=_version(common.tls_params.tls_maximum_protocol_version, "TLSv1.2"),
    )


def named(host: str) -> NameMatch:
    """Return the demand that a certificate is a host's."""
    return NameMatch("exact", host, "dns")
