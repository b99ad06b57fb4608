"""Secrets: the names Envoy asks for, and nothing of their content in what is printed."""

from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

from lateen.compiler.backend import secrets


def parse(resource):
    return secret_pb2.Secret.FromString(resource.body)


def test_the_workloads_identity():
    resource = secrets.svid_resource("CHAIN", "KEY")
    assert resource.name == "default"
    certificate = parse(resource).tls_certificate
    assert certificate.certificate_chain.inline_bytes == b"CHAIN"
    assert certificate.private_key.inline_bytes == b"KEY"


def test_roots_and_credentials():
    assert secrets.root_resource("ROOT").name == "ROOTCA"
    resource = secrets.ca_resource("kubernetes://cred-cacert", b"CA", b"CRL")
    context = parse(resource).validation_context
    assert (context.trusted_ca.inline_bytes, context.crl.inline_bytes) == (b"CA", b"CRL")
    resource = secrets.certificate_resource("kubernetes://cred", "C", "K", b"STAPLE")
    assert resource.name == "kubernetes://cred"
    assert parse(resource).tls_certificate.ocsp_staple.inline_bytes == b"STAPLE"


def test_a_key_never_prints_itself():
    resource = secrets.svid_resource("CHAIN", "VERYSECRET")
    assert "VERYSECRET" not in repr(resource)
    assert "VERYSECRET" not in str({"default": resource})
    assert str(len(resource.body)) not in repr(resource).replace(resource.name, "")
