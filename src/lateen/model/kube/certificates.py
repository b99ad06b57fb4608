"""The `certificates.k8s.io` API group. Pure."""

from typing import Annotated

from msgspec import field

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Condition, KubeObject


class CertificateSigningRequestSpec(KubeStruct, frozen=True, kw_only=True):
    """Which certificate is asked for, and by whom."""

    request: Annotated[
        str, doc("PEM of the PKCS #10 request, in base64.", required=True, form="byte")
    ] = ""
    signer_name: Annotated[str, doc("Who is to sign it.", required=True)] = ""
    expiration_seconds: Annotated[int | None, doc("How long it should hold; 600 or more.")] = None
    usages: Annotated[
        tuple[str, ...], doc("What it is for, such as `client auth`.", atomic=True)
    ] = ()
    username: Annotated[str, doc("Who asks; set by the server.")] = ""
    uid: Annotated[str, doc("UID of who asks; set by the server.")] = ""
    groups: Annotated[
        tuple[str, ...], doc("Groups of who asks; set by the server.", atomic=True)
    ] = ()
    extra: Annotated[dict[str, tuple[str, ...]], doc("More on who asks; set by the server.")] = (
        field(default_factory=dict)
    )


class CertificateSigningRequestStatus(KubeStruct, frozen=True, kw_only=True):
    """What became of a request."""

    conditions: Annotated[
        tuple[Condition, ...], doc("Approved, Denied, Failed.", keys=("type",))
    ] = ()
    certificate: Annotated[str, doc("PEM of the certificate, in base64.", form="byte")] = ""


class CertificateSigningRequest(KubeObject, frozen=True, kw_only=True):
    """Asks a signer for a certificate."""

    spec: Annotated[CertificateSigningRequestSpec, doc("Which certificate.", required=True)] = (
        CertificateSigningRequestSpec()
    )
    status: Annotated[CertificateSigningRequestStatus, doc("What became of it.")] = (
        CertificateSigningRequestStatus()
    )
