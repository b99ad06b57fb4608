"""The `apiextensions.k8s.io` API group. Pure."""

from typing import Annotated, Any

from msgspec import field

from lateen.model.kube.admission import WebhookClientConfig
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Condition, KubeObject


class CustomResourceDefinitionNames(KubeStruct, frozen=True, kw_only=True):
    """What a kind is called."""

    plural: Annotated[str, doc("In URLs, such as `widgets`.", required=True)] = ""
    singular: Annotated[str, doc("On the command line; default: the kind in small letters.")] = ""
    short_names: Annotated[tuple[str, ...], doc("Short for it.", atomic=True)] = ()
    kind: Annotated[str, doc("In manifests, such as `Widget`.", required=True)] = ""
    list_kind: Annotated[str, doc("Kind of a list of them; default KINDList.")] = ""
    categories: Annotated[tuple[str, ...], doc("Groups it is listed in: `all`.", atomic=True)] = ()


class CustomResourceValidation(KubeStruct, frozen=True, kw_only=True):
    """What objects must be like."""

    open_api_v3_schema: Annotated[Any, doc("Schema of the objects.")] = field(
        default=None, name="openAPIV3Schema"
    )


class CustomResourceSubresourceStatus(KubeStruct, frozen=True, kw_only=True):
    """Has nothing to set: that it is there turns /status on."""


class CustomResourceSubresourceScale(KubeStruct, frozen=True, kw_only=True):
    """Where objects say how many they want and have."""

    spec_replicas_path: Annotated[
        str, doc("Path of the wanted number, such as `.spec.replicas`.", required=True)
    ] = ""
    status_replicas_path: Annotated[
        str, doc("Path of the present number, such as `.status.replicas`.", required=True)
    ] = ""
    label_selector_path: Annotated[str | None, doc("Path of the selector of its pods.")] = None


class CustomResourceSubresources(KubeStruct, frozen=True, kw_only=True):
    """Which parts of objects have URLs of their own."""

    status: Annotated[CustomResourceSubresourceStatus | None, doc("Turns /status on.")] = None
    scale: Annotated[CustomResourceSubresourceScale | None, doc("Turns /scale on.")] = None


class CustomResourceColumnDefinition(KubeStruct, frozen=True, kw_only=True):
    """A column of `kubectl get`."""

    name: Annotated[str, doc("Its head.", required=True)] = ""
    type: Annotated[str, doc("OpenAPI type, or `date`.", required=True)] = ""
    format: Annotated[str, doc("OpenAPI format.")] = ""
    description: Annotated[str, doc("What it shows.")] = ""
    priority: Annotated[int | None, doc("Above 0: with `-o wide` only.")] = None
    json_path: Annotated[str, doc("Where its value is, such as `.spec.host`.", required=True)] = ""


class SelectableField(KubeStruct, frozen=True, kw_only=True):
    """A field that field selectors may name."""

    json_path: Annotated[str, doc("Where it is, such as `.spec.color`.", required=True)] = ""


class CustomResourceDefinitionVersion(KubeStruct, frozen=True, kw_only=True):
    """A version of a kind."""

    name: Annotated[str, doc("Its name, such as v1.", required=True)] = ""
    served: Annotated[bool, doc("Whether clients may use it.", required=True)] = False
    storage: Annotated[bool, doc("Whether objects are stored in it.", required=True)] = False
    deprecated: Annotated[bool | None, doc("Whether its use is warned of.")] = None
    deprecation_warning: Annotated[str | None, doc("The warning, if it is to be another.")] = None
    schema: Annotated[CustomResourceValidation | None, doc("What objects must be like.")] = None
    subresources: Annotated[
        CustomResourceSubresources | None, doc("Which parts have URLs of their own.")
    ] = None
    additional_printer_columns: Annotated[
        tuple[CustomResourceColumnDefinition, ...], doc("Columns of `kubectl get`.", atomic=True)
    ] = ()
    selectable_fields: Annotated[
        tuple[SelectableField, ...], doc("Fields that field selectors may name.", atomic=True)
    ] = ()


class WebhookConversion(KubeStruct, frozen=True, kw_only=True):
    """A webhook that makes one version of another."""

    client_config: Annotated[WebhookClientConfig | None, doc("How it is reached.")] = None
    conversion_review_versions: Annotated[
        tuple[str, ...], doc("Versions of ConversionReview it takes.", required=True, atomic=True)
    ] = ()


class CustomResourceConversion(KubeStruct, frozen=True, kw_only=True):
    """How objects get from one version to another."""

    strategy: Annotated[str, doc("None (the name changes) or Webhook.", required=True)] = ""
    webhook: Annotated[WebhookConversion | None, doc("The webhook.")] = None


class CustomResourceDefinitionSpec(KubeStruct, frozen=True, kw_only=True):
    """What a kind is called, and what its objects are like."""

    group: Annotated[str, doc("API group, such as example.com.", required=True)] = ""
    names: Annotated[CustomResourceDefinitionNames, doc("What it is called.", required=True)] = (
        CustomResourceDefinitionNames()
    )
    scope: Annotated[str, doc("Cluster or Namespaced.", required=True)] = ""
    versions: Annotated[
        tuple[CustomResourceDefinitionVersion, ...],
        doc("Its versions.", required=True, atomic=True),
    ] = ()
    conversion: Annotated[
        CustomResourceConversion | None, doc("How objects get to another version.")
    ] = None
    preserve_unknown_fields: Annotated[bool | None, doc("Deprecated; must be false.")] = None


class CustomResourceDefinitionStatus(KubeStruct, frozen=True, kw_only=True):
    """Whether a kind is served."""

    observed_generation: Annotated[int | None, doc("Generation acted on.", form="int64")] = None
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", keys=("type",))] = ()
    accepted_names: Annotated[
        CustomResourceDefinitionNames | None, doc("Names it is served by.")
    ] = None
    stored_versions: Annotated[
        tuple[str, ...], doc("Versions that objects were ever stored in.", atomic=True)
    ] = ()


class CustomResourceDefinition(KubeObject, frozen=True, kw_only=True):
    """Adds a kind to the API."""

    spec: Annotated[CustomResourceDefinitionSpec, doc("The kind.", required=True)] = (
        CustomResourceDefinitionSpec()
    )
    status: Annotated[CustomResourceDefinitionStatus, doc("Whether it is served.")] = (
        CustomResourceDefinitionStatus()
    )
