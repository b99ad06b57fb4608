"""What a weighted destination says of its own: headers, and settings of filters. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.predict.envoy import any_messages
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.request import Http

_EITHER = re.compile(r"%CEL\(request\.protocol == 'HTTP/2' \? '([^']*)' : '([^']*)'\)%")
_ALPN_STATE = "envoy.network.application_protocols"
_PROTOCOLS = {"1.0": "HTTP10", "1.1": "HTTP11", "2": "HTTP2"}


def edited(chosen: Any, request: Http) -> Http:
    """Return the request with the destination's own headers and host."""
    for name in chosen.request_headers_to_remove:
        request = request.without_header(name.lower())
    for each in chosen.request_headers_to_add:
        request = request.with_header(each.header.key.lower(), each.header.value)
    if chosen.host_rewrite_literal:
        request = msgspec.structs.replace(request, authority=chosen.host_rewrite_literal)
    return request


def offered(text: str, version: str) -> tuple[str, ...]:
    """Return the protocols that a filter's text names for a request of an HTTP version. Raises
    UnknownError for what is computed otherwise."""
    found = _EITHER.fullmatch(text)
    if found is not None:
        text = found[1] if version == "2" else found[2]
    if "%" in text:
        raise UnknownError("the ALPN is computed")
    return tuple(text.split(","))


def alpn(chosen: Any, decided: tuple[str, ...], version: str) -> tuple[str, ...]:
    """Return what is offered upstream, where the destination overrides what the filter decided."""
    for each in chosen.typed_per_filter_config.values():
        opened = any_messages.opened(each)
        if any_messages.type_of(each).endswith("FilterConfig"):
            if opened is not None and opened.disabled:
                return ()
        elif (
            any_messages.type_of(each).endswith("set_filter_state.v3.Config") and opened is not None
        ):
            for value in opened.on_request_headers:
                if value.object_key == _ALPN_STATE:
                    text = value.format_string.text_format_source.inline_string
                    return offered(text, version)
    return decided


def by_protocol(
    overrides: Mapping[str, tuple[str, ...]], cluster: Any, version: str
) -> tuple[str, ...]:
    """Return what Istio's ALPN filter has offered to a cluster that is spoken to in an HTTP
    version; nothing where the cluster's metadata will not have it."""
    told = cluster.metadata.filter_metadata.get("istio")
    switch = told.fields.get("alpn_override") if told is not None else None
    if switch is not None and switch.string_value == "false":
        return ()
    return overrides.get(_PROTOCOLS.get(version, ""), ())
