"""What a proxy is started with: its statistics and what it logs."""

import json

import pytest
from hypothesis import given, strategies as st

from lateen.compiler.backend import bootstrap
from lateen.compiler.backend.bootstrap import StatsMatcher
from lateen.node.container import sidecar

NOTES = {
    "sidecar.istio.io/statsInclusionPrefixes": "cluster.outbound, http",
    "sidecar.istio.io/statsInclusionSuffixes": "upstream_rq_retry",
    "sidecar.istio.io/statsInclusionRegexps": r"vhost\..*",
}
CONFIG = {
    "proxyStatsMatcher": {
        "inclusionPrefixes": ["cluster.inbound"],
        "inclusionRegexps": [".*outlier.*"],
    }
}


def test_annotations_and_the_configuration_both_add_statistics() -> None:
    assert sidecar.stats_matcher(NOTES, json.dumps(CONFIG)) == StatsMatcher(
        prefixes=("cluster.outbound", "http", "cluster.inbound"),
        suffixes=("upstream_rq_retry",),
        regexps=(r"vhost\..*", ".*outlier.*"),
    )


@pytest.mark.parametrize(
    "config", ["", "{}", "[]", "no JSON", '{"proxyStatsMatcher": 3}', '{"proxyStatsMatcher": null}']
)
def test_what_is_misshapen_asks_for_nothing(config: str) -> None:
    assert sidecar.stats_matcher({}, config) == bootstrap.NO_MORE


@given(st.text())
def test_no_configuration_stops_a_proxy(config: str) -> None:
    sidecar.stats_matcher({}, config)


def test_what_a_proxy_logs_is_said_by_its_arguments() -> None:
    args = (
        "proxy",
        "sidecar",
        "--proxyLogLevel=info",
        "--proxyComponentLogLevel=misc:error,x:debug",
    )
    line = sidecar.command_line(args, router=False)
    assert line[line.index("--log-level") + 1] == "info"
    assert line[line.index("--component-log-level") + 1] == "misc:error,x:debug"
    for config, workers in (
        ("", "2"),
        ("{", "2"),
        ("[]", "2"),
        ('{"concurrency": 3}', "3"),
        ('{"concurrency": true}', "2"),
        ('{"concurrency": -1}', "2"),
    ):
        told = sidecar.command_line((), router=True, config=config)
        assert told[told.index("--concurrency") + 1] == workers
    every = sidecar.command_line((), router=True, config='{"concurrency": 0}')
    assert "--concurrency" not in every
    bare = sidecar.command_line((), router=True)
    assert bare[bare.index("--log-level") + 1] == "warning"
    assert "--component-log-level" not in bare
