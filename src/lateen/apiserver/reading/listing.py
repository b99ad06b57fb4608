"""Lists: selectors, chunks that stay consistent while writes go on, deletion of a collection."""

import base64
import binascii
from collections.abc import Iterator, Sequence

import msgspec

from lateen.apiserver import errors, fieldcauses
from lateen.apiserver.fieldcauses import Cause
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.reading import matching
from lateen.apiserver.writing import objects, verbs
from lateen.base.pace import Pace
from lateen.model.client import ApiError
from lateen.store import api as store_api

MAX_LIMIT = 100_000


class ListOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to list. `limit` 0 is everything."""

    labels: str = ""
    fields: str = ""
    limit: int = 0
    token: str = ""
    resource_version: str = ""
    match: str = ""
    initial: bool = False
    """Whether initial events were asked for, which only a watch has."""


class Listed(msgspec.Struct, frozen=True):
    """A list at one revision; `token` goes on where a limit cut it."""

    entries: Sequence[store_api.Entry]
    revision: int
    token: str = ""
    remaining: int | None = None


def list_objects(api: verbs.Api, target: Target, options: ListOptions) -> Listed:
    """LIST. Raises ApiError 400 for bad options, 410 for a token that is too old."""
    match = matching.matcher(target, options.labels, options.fields)
    if options.limit < 0:
        raise errors.bad_request(f"invalid limit {options.limit}: must not be negative")
    limit = min(options.limit, MAX_LIMIT)
    after, revision = _position(target, options, api.store.revision)
    with verbs.store_errors(target, ""):
        if match is None:
            page = api.store.list(
                target.info.resource, target.namespace, limit=limit, after=after, revision=revision
            )
            token = _token(page.continue_after, page.revision)
            return Listed(page.entries, page.revision, token, page.remaining or None)
        page = api.store.list(
            target.info.resource, target.namespace, after=after, revision=revision
        )
    chosen = [entry for entry in page.entries if match(entry.value)]
    if limit and len(chosen) > limit:
        cut = chosen[:limit]
        return Listed(cut, page.revision, _token(cut[-1].key, page.revision))
    return Listed(chosen, page.revision)


def _position(
    target: Target, options: ListOptions, newest: int
) -> tuple[store_api.Key | None, int]:
    if causes := list(_faults(options)):
        raise errors.invalid_options(causes)
    if options.token:
        if options.resource_version not in ("", "0"):
            raise errors.bad_request(
                "specifying resource version is not allowed when using continue"
            )
        return _read_token(target, options.token)
    revision = version_number(options.resource_version)
    if revision > newest:
        raise errors.not_reached(revision, newest)
    # A limit without a rule means that version exactly, as it did before there were rules.
    exact = options.match == "Exact" or (not options.match and options.limit > 0)
    return None, revision if exact else 0


def _faults(options: ListOptions) -> Iterator[Cause]:
    match, version = options.match, options.resource_version
    if options.initial:
        yield fieldcauses.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")
    if not match:
        return
    if not version:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        yield fieldcauses.forbidden("resourceVersionMatch", why)
    if options.token:
        why = "resourceVersionMatch is forbidden when continue is provided"
        yield fieldcauses.forbidden("resourceVersionMatch", why)
    if match not in ("Exact", "NotOlderThan"):
        yield fieldcauses.unsupported("resourceVersionMatch", match, ("Exact", "NotOlderThan", ""))
    if match == "Exact" and version == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        yield fieldcauses.forbidden("resourceVersionMatch", why)


def version_number(text: str) -> int:
    """Read a resourceVersion; 0 for none. Raises ApiError 400."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise errors.bad_request(f"invalid resource version {text[:40]!r}: not a number")
    return int(text)


def _token(key: store_api.Key | None, revision: int) -> str:
    if key is None:
        return ""
    packed = msgspec.json.encode({"v": 1, "rv": revision, "ns": key.namespace, "n": key.name})
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


class _Token(msgspec.Struct):
    rv: int
    ns: str
    n: str


def _read_token(target: Target, token: str) -> tuple[store_api.Key, int]:
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        read = msgspec.json.decode(packed, type=_Token)
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        raise errors.bad_request("continue key is not valid") from None
    if not 0 < read.rv < 2**62:
        raise errors.bad_request("continue key is not valid")
    return store_api.Key(target.info.resource, read.ns, read.n), read.rv


async def delete_collection(
    api: verbs.Api,
    target: Target,
    which: ListOptions,
    how: objects.DeleteOptions,
    options: verbs.WriteOptions,
) -> Listed:
    """DELETE on a collection: every object that the selectors choose, as one after the other.
    Others have their turn in between."""
    listed, pace = list_objects(api, target, which), Pace(api.clock)
    for entry in listed.entries:
        one = Target(target.kind, target.version, entry.key.namespace, entry.key.name)
        try:
            api.delete(one, how, options)
        except ApiError as error:
            if error.code != 404:
                raise
        await pace.step()
    return listed
