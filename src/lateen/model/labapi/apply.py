"""Manifests to apply with their places, and how each went. Pure."""

from collections.abc import Mapping

import msgspec

from lateen.base.jsonvalue import Json


class ApplyItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One manifest: `body` with name and namespace, and where its fields stand in `file`."""

    body: Json
    file: str = ""
    lines: Mapping[str, int] = {}
    """JSON path to line, counted from 1; the document's own is under the empty path."""


class ApplyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Manifests in the order in which they are applied."""

    items: tuple[ApplyItem, ...]
    dry_run: bool = False


class Applied(msgspec.Struct, frozen=True):
    """`outcome` is kubectl's word: created, configured or unchanged."""

    outcome: str
    warnings: tuple[str, ...] = ()


class ApplyError(msgspec.Struct, frozen=True):
    """Why a manifest was refused: what a Status of Kubernetes says."""

    code: int
    reason: str
    message: str
    details: Json


class ApplyAnswer(msgspec.Struct, frozen=True):
    """What was applied, in order; `error` is the refusal of the first manifest that is not."""

    done: tuple[Applied, ...]
    error: ApplyError | None = None
