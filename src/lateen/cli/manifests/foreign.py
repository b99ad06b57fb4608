"""Kinds that nothing defines: another project's, whose definitions are installed on clusters apart
from the objects. Their objects are kept for `get`, and nothing acts on them. Pure."""

import difflib
import re
from collections.abc import Iterable, Sequence

from lateen.base.jsonvalue import Json
from lateen.model.schema import kinds
from lateen.model.schema.kindinfo import KindInfo

CODE = "LTN0090"
MARK = "lateen.dev/stands-in"
"""The annotation of a definition that was made up for objects without one."""
_GROUP = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
_VERSION = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_KIND = re.compile(r"[A-Z][A-Za-z0-9]*")
_MISSPELT = 0.9
"""Likeness from which a group is a served one, misspelt: `networking.isto.io`."""


def is_foreign(api_version: str, kind: str) -> bool:
    """Whether a kind can only be another project's: a sound name, in a group that is neither one
    served here nor one of those misspelt. A custom resource's group always has a dot."""
    group, _, version = api_version.partition("/")
    if not (_GROUP.fullmatch(group) and _VERSION.fullmatch(version) and _KIND.fullmatch(kind)):
        return False
    served = {info.group for info in kinds.KINDS.values()}
    return group not in served and not any(
        difflib.SequenceMatcher(None, group, one).ratio() >= _MISSPELT for one in served
    )


def plural(kind: str) -> str:
    """Return the plural that a kind's definition most likely has, by Kubernetes' own guess."""
    word = kind.lower()
    if word.endswith(("s", "x", "ch", "sh")):
        return f"{word}es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}s"


def info(api_version: str, kind: str, *, namespaced: bool, known: Iterable[KindInfo]) -> KindInfo:
    """Return the row of a foreign kind; what stands in for it already keeps its other versions."""
    group, _, version = api_version.partition("/")
    before = next((one for one in known if (one.group, one.kind) == (group, kind)), None)
    versions = before.versions if before else ()
    return KindInfo(
        group=group,
        versions=versions if version in versions else (*versions, version),
        kind=kind,
        plural=before.plural if before else plural(kind),
        singular=kind.lower(),
        namespaced=before.namespaced if before else namespaced,
        status=False,
    )


def is_cluster_wide(kind: str) -> bool:
    """Whether a kind is of no namespace, by its name: nothing else tells where an object names
    none (GatewayClass, ClusterIssuer)."""
    return kind.startswith("Cluster") or kind.endswith("Class")


def definition(row: KindInfo) -> Json:
    """Return the definition that has a lab keep a foreign kind's objects whatever is in them."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": row.resource, "annotations": {MARK: "true"}},
        "spec": {
            "group": row.group,
            "names": {
                "kind": row.kind,
                "listKind": f"{row.kind}List",
                "plural": row.plural,
                "singular": row.singular,
            },
            "scope": "Namespaced" if row.namespaced else "Cluster",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": index == 0,
                    "schema": {"openAPIV3Schema": schema},
                }
                for index, version in enumerate(row.versions)
            ],
        },
    }


def warning(api_version: str, kind: str, places: Sequence[str]) -> str:
    """Return the one line that is said of a kind, whatever the number of its objects."""
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return (
        f"Warning: {places[0]}{more}: {kind} ({api_version}) is not a kind of Lateen's: kept for "
        f"`get`, and nothing acts on it [{CODE}]"
    )
