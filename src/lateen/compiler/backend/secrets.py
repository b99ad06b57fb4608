"""Secrets (SDS): key material as resources. Pure; what is made here never prints itself."""

from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

from lateen.compiler.backend import names
from lateen.compiler.output import Resource, ResourceType


def _resource(secret: secret_pb2.Secret) -> Resource:
    return Resource(ResourceType.SECRET, secret.name, secret.SerializeToString(deterministic=True))


def certificate_resource(
    name: str, chain_pem: str | bytes, key_pem: str | bytes, staple: bytes = b""
) -> Resource:
    """Return a certificate chain and its key under an SDS name (`kubernetes://NAME`); `staple` is
    OCSP's answer about it, in DER."""
    secret = secret_pb2.Secret(name=name)
    secret.tls_certificate.certificate_chain.inline_bytes = _bytes(chain_pem)
    secret.tls_certificate.private_key.inline_bytes = _bytes(key_pem)
    if staple:
        secret.tls_certificate.ocsp_staple.inline_bytes = staple
    return _resource(secret)


def ca_resource(name: str, ca_pem: str | bytes, crl_pem: str | bytes = b"") -> Resource:
    """Return a set of trusted roots under an SDS name (`kubernetes://NAME-cacert`), and what they
    revoked."""
    secret = secret_pb2.Secret(name=name)
    secret.validation_context.trusted_ca.inline_bytes = _bytes(ca_pem)
    if crl_pem:
        secret.validation_context.crl.inline_bytes = _bytes(crl_pem)
    return _resource(secret)


def svid_resource(chain_pem: str | bytes, key_pem: str | bytes) -> Resource:
    """Return the workload's own identity, `default`."""
    return certificate_resource(names.WORKLOAD_SECRET, chain_pem, key_pem)


def root_resource(root_pem: str | bytes) -> Resource:
    """Return the mesh's roots, `ROOTCA`."""
    return ca_resource(names.ROOT_SECRET, root_pem)


def _bytes(pem: str | bytes) -> bytes:
    return pem.encode() if isinstance(pem, str) else pem
