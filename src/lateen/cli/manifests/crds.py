"""Kinds that CustomResourceDefinitions make: those of a lab, those of manifests on their way."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lateen.cli.connection import api as lab_api
from lateen.cli.manifests import foreign
from lateen.model.schema import kinds
from lateen.model.schema.kindinfo import KindInfo

DEFINITIONS = kinds.KINDS["customresourcedefinitions.apiextensions.k8s.io"]


def of_definitions(definitions: Iterable[Mapping[str, Any]]) -> tuple[KindInfo, ...]:
    """Return the rows of the kinds that sound definitions make."""
    from lateen.apiserver.kinds import crds  # few commands need it

    named = (one for one in definitions if isinstance(one.get("metadata"), dict))
    return tuple(crds.kind_of(one).info for one in named if not crds.check(one))


class Defined(msgspec.Struct, frozen=True):
    """The rows of kinds that definitions make: those that somebody wrote, and those that stand in
    for what nothing defines."""

    written: tuple[KindInfo, ...] = ()
    standing_in: tuple[KindInfo, ...] = ()


def of_lab(api: lab_api.Api) -> Defined:
    """Return the rows of the kinds that a lab's definitions make. Raises ApiError, LabError."""
    found = api.request("GET", lab_api.collection_path(DEFINITIONS, "")).body["items"]
    served = [one for one in found if (one.get("status") or {}).get("conditions")]
    marks = [foreign.MARK in (one["metadata"].get("annotations") or {}) for one in served]
    return Defined(
        of_definitions(one for one, marked in zip(served, marks, strict=True) if not marked),
        of_definitions(one for one, marked in zip(served, marks, strict=True) if marked),
    )


def named(word: str, made: Iterable[KindInfo]) -> KindInfo | None:
    """Return the one that a person means, by the names of `kinds.find_resource`."""
    word = word.lower()
    for info in made:
        forms = {info.plural, info.singular, info.kind.lower(), *info.short_names}
        versions = {f"{one}.{version}" for one in forms for version in info.versions}
        if word in forms | {f"{one}.{info.group}" for one in (*forms, *versions)}:
            return info
    return None


def of_object(api_version: str, kind: str, made: Iterable[KindInfo]) -> KindInfo | None:
    """Return the one that an object says it is of."""
    fitting = (info for info in made if info.kind == kind and api_version in info.api_versions)
    return next(fitting, None)
