"""Our own kind `SourceMap`: which line of which file an object's fields came from. Pure."""

from typing import Annotated

from msgspec import field

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import KubeObject


class SourceTarget(KubeStruct, frozen=True, kw_only=True):
    """The object described, in the source map's own namespace (or cluster-wide)."""

    kind: Annotated[str, doc("Its kind.", required=True)] = ""
    name: Annotated[str, doc("Its name.", required=True)] = ""
    cluster_wide: Annotated[bool, doc("Whether the object has no namespace.")] = False


class SourceMapSpec(KubeStruct, frozen=True, kw_only=True):
    """Where the fields of one object were written."""

    target: Annotated[SourceTarget, doc("The object.", required=True)] = SourceTarget()
    file: Annotated[str, doc("File, as the user named it.", required=True)] = ""
    spec_hash: Annotated[
        str, doc("Hash of the spec it was made from; another spec makes it void.", required=True)
    ] = ""
    lines: Annotated[dict[str, int], doc("Line, from 1, by JSON path.", atomic=True)] = field(
        default_factory=dict
    )


class SourceMap(KubeObject, frozen=True, kw_only=True):
    """Which line of which file an object's fields came from."""

    spec: Annotated[SourceMapSpec, doc("The lines.")] = SourceMapSpec()
