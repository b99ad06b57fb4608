"""Rules for Istio's Gateway. Pure."""

from lateen.model import ciphers
from lateen.model.istio.networking_gateway import Gateway, Server, ServerTLSSettings
from lateen.model.validation import syntax
from lateen.model.validation.istio import shared
from lateen.model.validation.report import Report

_UNENDED = ("PASSTHROUGH", "AUTO_PASSTHROUGH")


def validate(report: Report, obj: Gateway) -> None:
    """Check a Gateway."""
    if not any(finding.path == "metadata.name" for finding in report.errors):
        report.check("metadata.name", syntax.dns_label(obj.metadata.name))
    shared.annotations(report, obj.metadata, "Gateway")
    if not obj.spec.servers:
        report.error("spec.servers", "gateway must have at least one server")
    names: set[str] = set()
    for index, server in enumerate(obj.spec.servers):
        path = f"spec.servers[{index}]"
        _server(report, server, path)
        if server.port is None or not server.port.name:
            continue
        if server.port.name in names:
            report.error(
                f"{path}.port.name",
                f'port names in servers must be unique: duplicate name "{server.port.name}"',
            )
        names.add(server.port.name)


def _server(report: Report, server: Server, path: str) -> None:
    if not server.hosts:
        report.error(f"{path}.hosts", "server config must contain at least one host")
    for index, host in enumerate(server.hosts):
        report.check(f"{path}.hosts[{index}]", _host(host))
    unix = server.bind.startswith("unix://")
    _bind(report, server.bind, f"{path}.bind")
    port = server.port
    if port is None:
        report.error(f"{path}.port", "port is required")
        return
    if not port.name:
        report.error(f"{path}.port.name", f"port name must be set: number:{port.number}")
    if port.target_port:
        report.error(f"{path}.port.targetPort", "targetPort is not allowed in a Gateway")
    if port.protocol.upper() not in syntax.PROTOCOLS:
        report.error(f"{path}.port.protocol", f"unsupported protocol: {port.protocol}")
    if unix:
        if port.number:
            report.error(f"{path}.port.number", "port number must be 0 with a Unix domain socket")
    else:
        report.check(f"{path}.port.number", syntax.port(port.number))
    _tls_for(report, server, port.protocol.upper(), path)


def _host(text: str) -> str:
    namespace, slash, host = text.rpartition("/")
    if slash and namespace not in ("*", ".") and (problem := syntax.dns_label(namespace)):
        return f"invalid namespace in host {text!r}: {problem}"
    if host == "*" or syntax.is_ip(host):
        return ""
    if "." not in host:
        return f"short names (non FQDN) are not allowed: {text}"
    if syntax.partial_wildcard(host):
        return f"partial wildcard {host!r} not allowed"
    return syntax.wildcard_domain(host)


def _bind(report: Report, bind: str, path: str) -> None:
    if not bind or syntax.is_ip(bind) or bind.startswith(("unix:///", "unix://@")):
        return
    report.error(path, f"{bind} is not an IP address or unix:// with an absolute path")


def _tls_for(report: Report, server: Server, protocol: str, path: str) -> None:
    """Check that TLS settings go with the protocol, then the settings themselves."""
    tls = server.tls
    if tls is None:
        if protocol in syntax.TLS_PROTOCOLS:
            report.error(f"{path}.tls", "server must have TLS settings for HTTPS/TLS protocols")
        return
    files = tls.server_certificate or tls.private_key or tls.ca_certificates
    if protocol in syntax.HTTP_PROTOCOLS:
        if tls.mode not in _UNENDED or files:
            report.error(f"{path}.tls", "server cannot have TLS settings for plain text HTTP ports")
    elif protocol not in syntax.TLS_PROTOCOLS:
        report.error(f"{path}.tls", "server cannot have TLS settings for non HTTPS/TLS ports")
    if tls.https_redirect and protocol != "HTTP":
        report.warn(
            f"{path}.tls.httpsRedirect", "tls.httpsRedirect should only be used with http servers"
        )
    _tls(report, tls, f"{path}.tls")


def _tls(report: Report, tls: ServerTLSSettings, path: str) -> None:
    _ciphers(report, tls, path)
    credential = bool(tls.credential_name or tls.credential_names)
    if tls.mode == "ISTIO_MUTUAL":
        for value, words, name in (
            (tls.server_certificate, "server certificate", "serverCertificate"),
            (tls.private_key, "private key", "privateKey"),
            (tls.ca_certificates, "CA bundle", "caCertificates"),
            (tls.tls_certificates, "tlsCertificates", "tlsCertificates"),
            (tls.credential_name, "credentialName", "credentialName"),
            (tls.credential_names, "credentialNames", "credentialNames"),
        ):
            if value:
                report.error(f"{path}.{name}", f"ISTIO_MUTUAL TLS cannot have associated {words}")
        return
    pair = bool(tls.server_certificate or tls.private_key)
    sources = (
        pair,
        bool(tls.credential_name),
        bool(tls.credential_names),
        bool(tls.tls_certificates),
    )
    if sum(sources) > 1:
        report.error(
            path,
            "only one of credentialName, credentialNames, tlsCertificates or "
            "serverCertificate/privateKey may be set",
        )
    if tls.mode in _UNENDED:
        if any(sources) or tls.ca_certificates:
            report.warn(path, f"{tls.mode} mode does not use certificates")
    elif not credential:
        _files(report, tls, path)
    if len(tls.tls_certificates) > 2:
        report.warn(f"{path}.tlsCertificates", "more than two certificates: only two are used")
    if tls.ca_crl and (tls.mode == "SIMPLE" or (tls.credential_name and tls.mode in _UNENDED)):
        report.error(f"{path}.caCrl", f"caCrl is not supported with {tls.mode} and credentialName")


def _files(report: Report, tls: ServerTLSSettings, path: str) -> None:
    mode = tls.mode
    if tls.tls_certificates:
        for index, one in enumerate(tls.tls_certificates):
            if not one.server_certificate or not one.private_key:
                report.error(
                    f"{path}.tlsCertificates[{index}]",
                    f"{mode} TLS requires a server certificate and a private key",
                )
    else:
        if not tls.server_certificate:
            report.error(f"{path}.serverCertificate", f"{mode} TLS requires a server certificate")
        if not tls.private_key:
            report.error(f"{path}.privateKey", f"{mode} TLS requires a private key")
    bundle = tls.ca_certificates or tls.ca_cert_credential_name
    if mode in ("MUTUAL", "OPTIONAL_MUTUAL") and not bundle:
        report.error(f"{path}.caCertificates", f"{mode} TLS requires a client CA bundle")


def _ciphers(report: Report, tls: ServerTLSSettings, path: str) -> None:
    if tls.min_protocol_version in ("TLSV1_0", "TLSV1_1") and not tls.cipher_suites:
        report.warn(
            f"{path}.minProtocolVersion",
            f"{tls.min_protocol_version} needs cipherSuites that old clients know",
        )
    unknown = [cipher for cipher in tls.cipher_suites if cipher not in ciphers.KNOWN]
    if unknown:
        report.warn(f"{path}.cipherSuites", f"ignoring invalid cipher suites: {', '.join(unknown)}")
    twice = sorted({c for c in tls.cipher_suites if tls.cipher_suites.count(c) > 1})
    if twice:
        report.warn(f"{path}.cipherSuites", f"ignoring duplicate cipher suites: {', '.join(twice)}")
