"""Accept and Content-Type: which form an answer takes, and what a body may be. Pure."""

from collections.abc import Sequence

import msgspec

from lateen.apiserver import errors

OFFERED = "application/json, application/json;stream=watch, application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
"""Read, since kubectl's own commands send it; never written."""

PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
    "application/strategic-merge-patch+json",
)


class Form(msgspec.Struct, frozen=True):
    """How to answer. `as_kind` is empty for the object itself, or Table, PartialObjectMetadata,
    PartialObjectMetadataList, APIGroupDiscoveryList; `as_version` its version."""

    media: str = "application/json"
    as_kind: str = ""
    as_version: str = ""
    as_group: str = ""

    @property
    def content_type(self) -> str:
        """Return the Content-Type header of an answer in this form."""
        if self.as_kind == "APIGroupDiscoveryList":
            return f"application/json;g={self.as_group};v={self.as_version};as={self.as_kind}"
        return self.media


_TRANSFORMS = {
    ("Table", "meta.k8s.io", "v1"),
    ("Table", "meta.k8s.io", "v1beta1"),
    ("PartialObjectMetadata", "meta.k8s.io", "v1"),
    ("PartialObjectMetadata", "meta.k8s.io", "v1beta1"),
    ("PartialObjectMetadataList", "meta.k8s.io", "v1"),
    ("PartialObjectMetadataList", "meta.k8s.io", "v1beta1"),
    ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2"),
    ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2beta1"),
}
_MEDIA = {
    "application/json": "application/json",
    "application/*": "application/json",
    "*/*": "application/json",
    "application/yaml": "application/yaml",
    "text/plain": "application/json",
    "text/*": "application/json",
    "text/html": "application/json",
}


def accept(header: str) -> Form:
    """Choose the first form of an Accept header that is served. Raises ApiError 406."""
    if not header.strip():
        return Form()
    choices: list[tuple[float, int, Form]] = []
    for order, clause in enumerate(header[:4096].split(",")):
        media, _, rest = clause.strip().partition(";")
        parameters = _parameters(rest)
        form = _form(media.strip().lower(), parameters)
        if form is not None:
            choices.append((-_quality(parameters.get("q", "")), order, form))
    if not choices:
        raise errors.not_acceptable(OFFERED)
    return min(choices, key=lambda choice: choice[:2])[2]


def prefers(header: str, media_types: Sequence[str]) -> bool:
    """Tell whether an Accept header names one of these before any form that every answer has."""
    named = (clause.partition(";")[0].strip().lower() for clause in header[:4096].split(","))
    return next((one for one in named if one in media_types or one in _MEDIA), "") in media_types


def _parameters(text: str) -> dict[str, str]:
    found = {}
    for part in text.split(";"):
        name, _, value = part.strip().partition("=")
        found[name.strip()] = value.strip()
    return found


def _quality(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 1.0


def _form(media: str, parameters: dict[str, str]) -> Form | None:
    chosen = _MEDIA.get(media)
    if chosen is None:
        return None
    kind = parameters.get("as", "")
    if not kind:
        return Form(media=chosen)
    group, version = parameters.get("g", ""), parameters.get("v", "")
    if (kind, group, version) not in _TRANSFORMS or chosen != "application/json":
        return None
    return Form(chosen, kind, version, group)


def patch_types(*, strategic: bool) -> tuple[str, ...]:
    """Return the patches of a kind: custom ones know no strategic merge."""
    return PATCH_TYPES if strategic else PATCH_TYPES[:-1]


def content_type(header: str, *, patch: bool) -> str:
    """Return the media type of a request body; JSON where none is said. Raises ApiError 415."""
    media = header.partition(";")[0].strip().lower()
    if patch:
        if media in PATCH_TYPES or media == "application/apply-patch+json":
            return media
        raise errors.unsupported_media(", ".join(PATCH_TYPES))
    if media in ("", "application/json", "text/json", "*/*"):
        return "application/json"
    if media == PROTOBUF:
        return media
    if media in ("application/yaml", "application/x-yaml", "text/yaml"):
        return "application/yaml"
    raise errors.unsupported_media(f"application/json, application/yaml, {PROTOBUF}")
