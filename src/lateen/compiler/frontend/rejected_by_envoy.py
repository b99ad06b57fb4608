"""Values that Istio's validation lets pass and that Envoy refuses, with all that comes in the same
update: an object with such a value is told of, and the value left out. Pure."""

import re
from collections.abc import Iterator

from lateen.model.istio import networking, networking_policy, networking_route
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source

_BREAKS = re.compile(r"[\r\n\0]")
_NO_BREAKS = "no line breaks"
_PERCENT = "0 to 100"


def text(value: str) -> str:
    """Return a text that Envoy takes as (part of) a header's value, empty if it does not."""
    return "" if _BREAKS.search(value) else value


def budget(
    block: networking_policy.RetryBudget | None,
) -> networking_policy.RetryBudget | None:
    """Return a retryBudget whose share Envoy takes."""
    return block if block is None or _is_share(block) else None


def _is_share(block: networking_policy.RetryBudget) -> bool:
    share = block.percent
    return share is None or 0 <= share <= 100


def of_policies(
    levels: Iterator[tuple[str, networking.TrafficPolicy | networking.PortTrafficPolicy]],
    source: Source,
) -> Iterator[Diagnostic]:
    """Say which shares of retries are none; `levels` are a rule's policies and their places."""
    for path, policy in levels:
        block = getattr(policy, "retry_budget", None)
        if block is not None and not _is_share(block):
            value = f"{block.percent:g}"
            at = source.at(f"{path}.retryBudget.percent")
            yield make("LTN0048", at, value=value, taken=_PERCENT)


def of_routes(
    routes: tuple[networking_route.HTTPRoute, ...], source: Source
) -> Iterator[Diagnostic]:
    """Say which paths and hosts that rules write have line breaks."""
    for index, rule in enumerate(routes):
        for path, value in _written(rule):
            if not text(value) and value:
                at = source.at(f"spec.http[{index}].{path}")
                yield make("LTN0048", at, value=repr(value), taken=_NO_BREAKS)


def _written(rule: networking_route.HTTPRoute) -> Iterator[tuple[str, str]]:
    if (rewrite := rule.rewrite) is not None:
        yield "rewrite.uri", rewrite.uri
        yield "rewrite.authority", rewrite.authority
        if rewrite.uri_regex_rewrite is not None:
            yield "rewrite.uriRegexRewrite.rewrite", rewrite.uri_regex_rewrite.rewrite
    if (redirect := rule.redirect) is not None:
        yield "redirect.uri", redirect.uri
        yield "redirect.prefixRewrite", redirect.prefix_rewrite
        yield "redirect.authority", redirect.authority
