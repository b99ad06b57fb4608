"""From what a lab was started with to what the compiler is told."""

from pathlib import Path

from lateen.app.lab.settings import LabSettings
from lateen.compiler.frontend import versions
from lateen.compiler.ir.proxy import AccessLog, MeshSettings

USUAL_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_BUNDLES = (
    USUAL_BUNDLE,
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where Debian, Fedora, SUSE, older Red Hat and Alpine keep the machine's own roots."""

KEY_LOG = "/var/lib/lateen/xds/keys.log"
"""Where proxies write TLS keys: the pod's run directory, mounted into the proxy's container."""


def mesh_settings(settings: LabSettings) -> MeshSettings:
    """Return Istio's mesh configuration for the lab. Raises ValueError for an unknown version."""
    log = settings.access_log
    return MeshSettings(
        features=versions.features(settings.istio),
        allow_any=settings.allow_any,
        access_log=AccessLog(enabled=bool(log), encoding=log or "TEXT"),
        trace_sampling=settings.trace_sampling,
        key_log=KEY_LOG if settings.key_log else "",
    )


def system_roots() -> str:
    """Return the machine's bundle of trusted roots: what `caCertificates: system` means.

    Falls back to the path of the first candidate; Envoy then reports the missing file by name.
    """
    return next((path for path in _BUNDLES if Path(path).is_file()), _BUNDLES[0])
