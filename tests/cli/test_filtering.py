"""`--not` turns the filter round that follows it; spans of time are read as people write them."""

import click
import pytest

from lateen.cli.screen import spans
from lateen.cli.traffic import commands, filters
from lateen.observe.packets.flowfilter import Condition

TURNED = {
    "--not --tls mtls": ["--tls", "\0mtls"],
    "--not --tls=mtls": ["--tls", "\0mtls"],
    "--from-pod web --not --from-pod db": ["--from-pod", "web", "--from-pod", "\0db"],
    "--not --from-label !canary": ["--from-label", "\0!canary"],
    "--not --leg app deploy/web": ["--leg", "\0app", "deploy/web"],
    "deploy/web -- --not": ["deploy/web", "--", "--not"],
}


@pytest.mark.parametrize("line", TURNED)
def test_not_goes_to_the_next_value(line: str) -> None:
    assert filters.turned(line.split()) == TURNED[line]


@pytest.mark.parametrize("line", ["--not", "--not --tls", "--not web", "--not --not --tls none"])
def test_not_before_no_filter_is_told(line: str) -> None:
    with pytest.raises(click.UsageError, match="--not stands before"):
        filters.turned(line.split())
    filters.turned(line.split(), lenient=True)


@pytest.mark.parametrize("command", [commands.capture, commands.tap])
def test_filters_are_taken_in_any_order(command: click.Command) -> None:
    line = "--not --tls mtls --to-service db --not --to-service web --http-status 5+ --port 80"
    with command.make_context("x", line.split()) as context:
        found = set(map(_told, filters.conditions_of(context.params)))
    assert found == {
        "not tls mtls",
        "to-service db",
        "not to-service web",
        "http-status 5+",
        "port 80",
    }


def _told(condition: Condition) -> str:
    return f"{'not ' * condition.negated}{condition.field} {condition.value}"


SPANS = {"30s": 30, "5m": 300, "1h": 3600, "2d": 172800, "90": 90, "0.5m": 30}


@pytest.mark.parametrize("text", SPANS)
def test_spans(text: str) -> None:
    assert spans.seconds(text) == SPANS[text]


@pytest.mark.parametrize("text", ["", "5x", "m", "-5m", "nan", "inf", "0s", "5 minutes"])
def test_what_is_no_span_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="use 30s, 5m, 1h"):
        spans.seconds(text)
