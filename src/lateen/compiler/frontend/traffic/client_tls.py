"""A client's TLS settings as a DestinationRule writes them. Pure."""

from lateen.compiler.ir.policy import SYSTEM_ROOTS, ClientTls, TlsMode
from lateen.compiler.ir.proxy import Features
from lateen.compiler.ir.value import Value
from lateen.model.istio import networking_policy
from lateen.model.meta import Source

_CONFIG_MAP = "configmap://"


class Options(Value, frozen=True, kw_only=True):
    """What the meaning of a `tls` block depends on beside itself."""

    features: Features
    credentials: bool = False
    """Whether `credentialName` works: on gateways, and for rules with a workloadSelector."""
    sans: tuple[str, ...] = ()
    """Names that SIMPLE and MUTUAL expect where the rule lists none: the ServiceEntry's."""


def translate(
    tls: networking_policy.ClientTLSSettings, source: Source, options: Options
) -> ClientTls:
    """Return the client's TLS settings with the version's defaults applied.

    A mode that cannot be honoured (a missing file, a credential on an ordinary sidecar) is
    plaintext, as on Istio; `refusal` says so.
    """
    mode = TlsMode(tls.mode or "DISABLE")
    if mode is TlsMode.DISABLE or refusal(tls, options):
        return ClientTls(mode=TlsMode.DISABLE, source=source)
    sans = tuple(tls.subject_alt_names)
    if mode is TlsMode.ISTIO_MUTUAL:
        return ClientTls(mode=mode, source=source, sni=tls.sni, sans=sans)
    features = options.features
    skip = bool(tls.insecure_skip_verify) and features.insecure_skip_verify
    auto_sni = features.auto_sni and not tls.sni
    auto_san = features.auto_san and auto_sni and not sans and not skip
    return ClientTls(
        mode=mode,
        source=source,
        sni=tls.sni,
        auto_sni=auto_sni,
        auto_san=auto_san,
        sans=sans or (() if skip else options.sans),
        ca="" if skip else _authority(tls, options),
        certificate=_certificate(tls) if mode is TlsMode.MUTUAL else "",
        crl="" if skip or tls.credential_name else tls.ca_crl,
        insecure_skip_verify=skip,
        alpn_override=features.alpn_override_for_user_tls,
    )


def refusal(tls: networking_policy.ClientTLSSettings, options: Options) -> str:
    """Return why SIMPLE or MUTUAL cannot be honoured and plaintext is sent; empty if it can."""
    if tls.mode not in ("SIMPLE", "MUTUAL"):
        return ""
    if tls.credential_name and not options.credentials and not _is_public(tls):
        return "credentialName on a sidecar works only in a rule with workloadSelector"
    files = tls.client_certificate and tls.private_key
    shown = tls.credential_name and not _is_public(tls)
    if tls.mode == "MUTUAL" and not shown and not files:
        return "MUTUAL needs clientCertificate and privateKey"
    return ""


def _is_public(tls: networking_policy.ClientTLSSettings) -> bool:
    """Whether the credential is a CA in a ConfigMap, which is no secret: any proxy may have it."""
    return tls.credential_name.startswith(_CONFIG_MAP)


def _authority(tls: networking_policy.ClientTLSSettings, options: Options) -> str:
    if _is_public(tls):
        return f"{tls.credential_name}-cacert"
    if tls.credential_name:
        return f"kubernetes://{tls.credential_name}-cacert"
    if tls.ca_certificates == SYSTEM_ROOTS:
        return SYSTEM_ROOTS
    if tls.ca_certificates:
        return f"file-root:{tls.ca_certificates}"
    return SYSTEM_ROOTS if options.features.verify_upstream else ""


def _certificate(tls: networking_policy.ClientTLSSettings) -> str:
    if tls.credential_name and not _is_public(tls):
        return f"kubernetes://{tls.credential_name}"
    return f"file-cert:{tls.client_certificate}~{tls.private_key}"
