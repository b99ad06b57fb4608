"""What is not as it should be, as lines; and when a status is worth an exit code."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.cli.lab import check, status as status_command
from lateen.cli.objects import waiting
from lateen.cli.screen import findings
from lateen.node.kernel.verdicts import Capability, State

CRASHED = {
    "reason": "CrashLoopBackOff",
    "message": "back-off 40s restarting failed container",
    "container": "app",
    "restarts": 3,
    "exit_code": 3,
}


def pod(name: str = "web", *, ready: bool = False, **more: Any) -> dict[str, Any]:
    given = {"reason": "", "message": "", "container": "", "restarts": 0, "exit_code": None}
    return {"namespace": "default", "name": name, "uid": name, "ready": ready, **given, **more}


def proxy(*, synced: bool = True, **more: Any) -> dict[str, Any]:
    types = dict.fromkeys(("CDS", "EDS", "LDS", "RDS", "SDS"), "SYNCED")
    made = {"proxy": "default/web", "kind": "sidecar", "types": types, "problems": []}
    return {**made, "synced": synced, **more}


def finding(level: str = "Warning") -> dict[str, Any]:
    return {
        "code": "IST0101",
        "level": level,
        "text": f"{level} [IST0101] (Service default/web a.yaml:3) it is not there",
        "origin": "Service/default/web#spec.ports",
        "remedy": "Create it.",
    }


def document(**more: Any) -> dict[str, Any]:
    empty = {"lab": "t", "istio": "1.32", "pods": [], "proxies": [], "diagnostics": []}
    rest = {"gateways": [], "revision": 5, "written": 5, "pending": False, "reported": 1}
    return {**empty, **rest, **more}


def test_a_crash_is_told_by_its_exit_code_and_last_lines() -> None:
    told = [*findings.pod_lines(document(pods=[pod(**CRASHED)]), lambda _pod: ["one", "t\x1bwo"])]
    assert told == [
        "pod default/web: CrashLoopBackOff: container app ended with exit code 3, "
        "started again 3 times",
        "    | one",
        r"    | t\x1bwo",
        "    `lateen logs web -c app --previous` shows all of it",
    ]


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "exit code 1"), (137, "exit code 137: killed by SIGKILL"), (255, "exit code 255")],
)
def test_an_exit_code_that_is_a_signal_names_it(code: int, words: str) -> None:
    assert findings.ending(code) == f"ended with {words}"


def test_a_pod_that_waits_is_told_by_its_reason_and_no_log_is_asked_for() -> None:
    def none(_pod: object) -> list[str]:
        raise AssertionError("it never ran")

    waits = pod(reason="ErrImagePull", message="no stand-in is known", container="app")
    every = document(pods=[waits, pod("new"), pod("old", ready=True)])
    assert [*findings.pod_lines(every, none)] == [
        "pod default/web: ErrImagePull: no stand-in is known",
        "pod default/new: not ready yet",
    ]


def test_an_older_plane_tells_no_container() -> None:
    older = {k: v for k, v in pod(**CRASHED).items() if k not in ("container", "exit_code")}
    assert [*findings.pod_lines(document(pods=[older]))] == [
        "pod default/web: CrashLoopBackOff: back-off 40s restarting failed container"
    ]


def test_a_finding_is_followed_by_its_field_and_remedy() -> None:
    told = [*findings.lines(document(diagnostics=[finding()]))]
    assert told == [finding()["text"], "  spec.ports: Create it."]


@given(st.sampled_from(findings.LEVELS), st.sampled_from(findings.LEVELS))
def test_a_threshold_counts_its_own_level_and_those_above(level: str, threshold: str) -> None:
    found = document(diagnostics=[finding(level)])
    expected = findings.LEVELS.index(level) >= findings.LEVELS.index(threshold)
    assert findings.reaches(found, threshold) is expected
    assert findings.reaches(found, threshold.upper()) is expected
    assert not findings.reaches(document(), threshold)


def test_a_status_has_its_problems_first() -> None:
    found = document(
        pods=[pod(**CRASHED)],
        proxies=[proxy(problems=["CDS rejected: no such thing"])],
        diagnostics=[finding()],
        gateways=[{"name": "istio-system/gw", "urls": ["http://a", "https://a"]}],
        reported=4,
    )
    made = dict(status_command.sections(found, lambda _pod: ["last"], 0))
    assert list(made) == ["PROBLEMS", "GATEWAYS", "REQUESTS", "PROXIES"]
    assert made["PROBLEMS"][0].startswith("× pod default/web: CrashLoopBackOff")
    assert "    | last" in made["PROBLEMS"]
    assert "× proxy default/web: CDS rejected: no such thing" in made["PROBLEMS"]
    assert made["GATEWAYS"] == ["istio-system/gw: http://a https://a"]
    assert "one in 4" in made["REQUESTS"][0]
    assert "ECDS" not in made["PROXIES"][0]


def test_a_status_of_nothing_has_no_sections() -> None:
    assert not dict(status_command.sections(document(), lambda _pod: (), 0))


def test_a_rare_type_has_a_column_where_a_proxy_asked_for_it() -> None:
    types = {**proxy()["types"], "ECDS": "SYNCED"}
    made = dict(status_command.sections(document(proxies=[proxy(types=types)]), list, 0))
    assert made["PROXIES"][0].endswith("ECDS")


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([], False),
        ([pod(ready=True)], False),
        ([pod()], False),
        ([pod(reason="ImagePullBackOff")], True),
        ([pod(reason="ImagePullBackOff"), pod("b")], False),
        ([pod(reason="ImagePullBackOff"), pod("b", ready=True)], True),
        ([pod(reason="CrashLoopBackOff", restarts=1)], False),
        ([pod(reason="CrashLoopBackOff", restarts=2)], True),
    ],
)
def test_what_nobody_waits_for(pods: list[dict[str, Any]], expected: bool) -> None:
    assert waiting.hopeless(document(pods=pods)) is expected


def test_a_pod_that_failed_before_is_no_reason_to_wait() -> None:
    pods = [pod("old"), pod(reason="ErrImagePull")]
    assert not waiting.hopeless(document(pods=pods))
    assert waiting.hopeless(document(pods=pods), frozenset({"old"}))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"revision": 4}, False),
        ({"pending": True}, False),
        ({"proxies": [proxy(synced=False)]}, False),
        ({"pods": [pod()]}, False),
        ({"pods": []}, False),
    ],
)
def test_when_a_mesh_is_settled(change: dict[str, Any], expected: bool) -> None:
    whole = document(pods=[pod(ready=True)], proxies=[proxy()])
    assert waiting.settled({**whole, **change}, 5) is expected


def test_a_check_of_a_lab_is_bad_for_pods_and_proxies_not_for_findings() -> None:
    found = document(
        pods=[pod(**CRASHED)], proxies=[proxy(synced=False)], diagnostics=[finding("Error")]
    )
    by_subject = {one.subject: one for one in check.of_status(found, lambda _pod: ["last"])}
    assert by_subject["pods"].state is State.BAD
    assert "    | last" in by_subject["pods"].remedies
    assert by_subject["proxies"].state is State.BAD
    assert by_subject["manifests"].state is State.LESS


def test_a_check_ends_with_what_it_comes_to() -> None:
    good, less, bad = (Capability("a", state, "b", ("do this",)) for state in State)
    assert check.summary([good]) == "✔ labs work here"
    assert check.summary([good, less]) == "✔ labs work here, 1 with less"
    assert check.summary([less, bad]).startswith("×")
    assert [*check.lines([bad])] == ["× a: b", "    do this"]
