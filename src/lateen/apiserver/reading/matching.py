"""Label and field selectors as one predicate. Pure."""

from collections.abc import Mapping
from typing import Any

from lateen.apiserver import errors
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.reading import fieldlabels
from lateen.apiserver.reading.watch_events import Match
from lateen.model.schema import selectors

MAX_SELECTOR = 16 * 1024


def matcher(target: Target, labels: str, fields: str) -> Match | None:
    """Return the predicate of two selectors; None when everything matches.

    Raises ApiError 400 for a selector that cannot be read.
    """
    if not labels and not fields:
        return None
    if len(labels) + len(fields) > MAX_SELECTOR:
        raise errors.bad_request(f"the selectors are longer than {MAX_SELECTOR} characters")
    try:
        by_label = selectors.parse(labels)
        parsed = selectors.parse_fields(fields)
    except ValueError as error:
        raise errors.bad_request(str(error)) from None
    try:
        more = target.kind.selectable.get(target.version, ())
        by_field = fieldlabels.predicate(target.info, parsed, more)
    except ValueError as error:
        what = (
            f"{target.api_version if target.info.group else '/v1'}, Resource={target.info.plural}"
        )
        raise errors.bad_request(
            f'Unable to find "{what}" that match label selector "{labels}", field selector '
            f'"{fields}": {error}'
        ) from None

    def match(value: Mapping[str, Any]) -> bool:
        return by_label.matches(value["metadata"].get("labels") or {}) and by_field(value)

    return match


def also_named(match: Match | None, name: str) -> Match:
    """Narrow a predicate to one name."""
    return lambda value: value["metadata"]["name"] == name and (match is None or match(value))
