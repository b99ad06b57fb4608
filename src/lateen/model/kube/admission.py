"""Webhooks of the `admissionregistration.k8s.io` API group. Pure."""

from typing import Annotated

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import KubeObject, LabelSelector


class ServiceReference(KubeStruct, frozen=True, kw_only=True):
    """A Service that a webhook is asked at."""

    namespace: Annotated[str, doc("Its namespace.", required=True)] = ""
    name: Annotated[str, doc("Its name.", required=True)] = ""
    path: Annotated[str | None, doc("Path of the request.")] = None
    port: Annotated[int | None, doc("Its port; default 443.")] = None


class WebhookClientConfig(KubeStruct, frozen=True, kw_only=True):
    """How a webhook is reached; a URL or a Service."""

    url: Annotated[str | None, doc("Its URL; https.")] = None
    service: Annotated[ServiceReference | None, doc("Its Service.")] = None
    ca_bundle: Annotated[
        str, doc("PEM of the CAs that it is trusted by, in base64.", form="byte")
    ] = ""


class RuleWithOperations(KubeStruct, frozen=True, kw_only=True):
    """Requests that a webhook is asked about."""

    operations: Annotated[
        tuple[str, ...], doc("CREATE, UPDATE, DELETE, CONNECT or `*`.", atomic=True)
    ] = ()
    api_groups: Annotated[tuple[str, ...], doc("API groups, or `*`.", atomic=True)] = ()
    api_versions: Annotated[tuple[str, ...], doc("API versions, or `*`.", atomic=True)] = ()
    resources: Annotated[
        tuple[str, ...], doc("Resources, such as `pods` or `pods/*`.", atomic=True)
    ] = ()
    scope: Annotated[
        str | None, doc("Which objects; default `*`.", enum=("*", "Cluster", "Namespaced"))
    ] = None


class MatchCondition(KubeStruct, frozen=True, kw_only=True):
    """A condition in CEL on the request."""

    name: Annotated[str, doc("Its name.", required=True)] = ""
    expression: Annotated[str, doc("The expression; true or false.", required=True)] = ""


class ValidatingWebhook(KubeStruct, frozen=True, kw_only=True):
    """A webhook that may refuse requests."""

    name: Annotated[str, doc("Its name, with its domain.", required=True)] = ""
    client_config: Annotated[WebhookClientConfig, doc("How it is reached.", required=True)] = (
        WebhookClientConfig()
    )
    rules: Annotated[
        tuple[RuleWithOperations, ...], doc("Requests it is asked about.", atomic=True)
    ] = ()
    failure_policy: Annotated[
        str | None, doc("When it does not answer; default Fail.", enum=("Fail", "Ignore"))
    ] = None
    match_policy: Annotated[
        str | None,
        doc("How rules are compared; default Equivalent.", enum=("Equivalent", "Exact")),
    ] = None
    namespace_selector: Annotated[LabelSelector | None, doc("Namespaces of the objects.")] = None
    object_selector: Annotated[LabelSelector | None, doc("Labels of the objects.")] = None
    side_effects: Annotated[
        str | None,
        doc(
            "Whether asking it changes anything.",
            required=True,
            enum=("None", "NoneOnDryRun", "Some", "Unknown"),
        ),
    ] = None
    timeout_seconds: Annotated[int | None, doc("Seconds to wait for it; default 10.")] = None
    admission_review_versions: Annotated[
        tuple[str, ...], doc("Versions of AdmissionReview it takes.", required=True, atomic=True)
    ] = ()
    match_conditions: Annotated[
        tuple[MatchCondition, ...], doc("Conditions in CEL; all must hold.", merge="name")
    ] = ()


class MutatingWebhook(ValidatingWebhook, frozen=True, kw_only=True):
    """A webhook that may change objects and refuse requests."""

    reinvocation_policy: Annotated[
        str | None,
        doc("Whether it is asked again after others; default Never.", enum=("IfNeeded", "Never")),
    ] = None


class MutatingWebhookConfiguration(KubeObject, frozen=True, kw_only=True):
    """Webhooks that may change what is written."""

    webhooks: Annotated[tuple[MutatingWebhook, ...], doc("The webhooks.", merge="name")] = ()


class ValidatingWebhookConfiguration(KubeObject, frozen=True, kw_only=True):
    """Webhooks that may refuse what is written."""

    webhooks: Annotated[tuple[ValidatingWebhook, ...], doc("The webhooks.", merge="name")] = ()
