"""Every failure class, brought about on real proxies and told apart by both sides."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lateen.base.clock import SystemClock
from tests.e2e import credentials, failure_cases, failure_table, remedies
from tests.e2e.failure_cases import CASES, NEW, OLD, Case
from tests.e2e.labs import ROOT, Lab
from tests.law import foretold

pytestmark = pytest.mark.e2e

Json = dict[str, Any]
DOCUMENT = ROOT / "docs" / "failures.md"
WRITING = bool(os.environ.get("UPDATE_DOCS"))
"""Whether to write the document from this run: then every case is run on both versions."""
RUNS = [
    *((case, NEW) for case in CASES),
    *((case, OLD) for case in CASES if case.old is not None or WRITING),
]
ROWS: dict[str, list[failure_table.Row]] = {NEW: [], OLD: []}


Failing = Callable[[str, str], tuple[Lab, str]]


@pytest.fixture(scope="module")
def failing(make_lab: Callable[..., Lab]) -> Failing:
    """The lab of a folder and a version, and the address of its gateway's HTTPS."""
    made: dict[tuple[str, str], tuple[Lab, str]] = {}

    def of(folder: str, version: str) -> tuple[Lab, str]:
        if (folder, version) not in made:
            lab = make_lab(f"{folder[:1]}{folder[-1:]}{version.replace('.', '')}")
            up = lab.lateen("up", str(Path(__file__).parent / folder), "--istio", version)
            assert up.returncode == 0, up.stderr + lab.logs()
            lab.ok("apply", "-f", "-", stdin=credentials.every())
            urls = json.loads(lab.ok("status", "-o", "json"))["gateways"][0]["urls"]
            secure = next(u for u in urls if u.startswith("https:"))
            made[folder, version] = lab, secure.removeprefix("https://")
        return made[folder, version]

    return of


@contextlib.contextmanager
def brought_about(lab: Lab, case: Case) -> Iterator[None]:
    """The case's policies for the time of a `with`."""
    if case.policies:
        lab.ok("apply", "-f", "-", stdin=case.policies)
    try:
        yield
    finally:
        if case.policies:
            lab.ok("delete", "-f", "-", stdin=case.policies)


UNFORESEEN = ("http://odd/", "http://odd:81/")
"""What a script does that nobody has told of: a branch for each thing that it may do."""


def check(case: Case, answer: Json, told: Json) -> None:
    """The request did what was foretold. Another's load is nothing that configuration tells."""
    if case.url in UNFORESEEN:
        assert told["exit"] == 2
        assert len(told["branches"]) > 1
        return
    if case.busy:
        assert told["branches"][0]["outcome"]["code"] == "ok"
        return
    (branch,) = told["branches"]
    assert answer["surprises"] == []
    assert foretold.differences(answer, branch["outcome"]) == []


def foresee(lab: Lab, gateway: str, case: Case) -> Json:
    """Ask what a case's request will do."""
    url = case.url.replace("GATEWAY", gateway)
    said = lab.lateen("explain", url, *case.arguments, "-o", "json")
    assert said.stdout, said.stderr + lab.logs()
    told: Json = json.loads(said.stdout)
    return told


def ask(lab: Lab, gateway: str, case: Case, code: str) -> Json:
    """Send a case's request until it is told as `code`, or for a while.

    An open connection keeps the rules it began under: then the request is sent again. What a
    change of manifests brings about arrives at proxies a moment later.
    """
    url = case.url.replace("GATEWAY", gateway)
    deadline = SystemClock().monotonic() + 10
    other: subprocess.Popen[bytes] | None = None
    while True:
        if case.busy and (other is None or other.poll() is not None):
            # If it comes at the same time as ours, it may be the one that is refused.
            other = begun(lab, case)
        done = lab.lateen("curl", url, *case.arguments, "-o", "json")
        assert done.stdout, done.stderr + lab.logs()
        answer: Json = json.loads(done.stdout)
        missed = code != case.code or case.busy
        again = missed and answer["verdict"]["code"] != code
        if not (again or (case.authorizes and kept(answer))):
            return answer
        if SystemClock().monotonic() > deadline:
            return answer
        time.sleep(0.02)


def begun(lab: Lab, case: Case) -> subprocess.Popen[bytes]:
    """Begin the request that is to be on its way meanwhile."""
    return subprocess.Popen(
        lab.command(
            *(sys.executable, "-m", "lateen.cli.entry", "curl", case.busy),
            *failure_cases.FROM_CLIENT,
        ),
        env=lab.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kept(answer: Json) -> bool:
    """Whether the request went on a connection made earlier: that one keeps the rules it began
    under, and Envoy ends it after the next request."""
    between = [leg for leg in answer["legs"] if leg["name"] == failure_cases.SIDECARS]
    return any(leg["wire"]["reused"] for leg in between)


def helps(lab: Lab, gateway: str, case: Case, answer: Json) -> None:
    """Make each change that is printed as a remedy, and ask again."""
    offered = answer["verdict"]["remedies"]
    assert len(offered) >= case.remedies, [each["text"] for each in offered]
    assert any("(not tried)" in hint for hint in answer["verdict"]["hints"]) == case.untried
    for remedy in offered:
        with remedies.made(lab, remedy):
            again = ask(lab, gateway, case, case.wished)
        assert again["verdict"]["code"] == case.wished, (remedy["text"], again["verdict"])


@pytest.mark.parametrize(
    ("case", "version"), RUNS, ids=[f"{case.title} ({version})" for case, version in RUNS]
)
def test_every_failure_is_told_apart(failing: Failing, case: Case, version: str) -> None:
    case = case.on(version)
    lab, gateway = failing(case.mesh, version)
    with brought_about(lab, case):
        foreseen = foresee(lab, gateway, case)
        answer = ask(lab, gateway, case, case.code)
        helps(lab, gateway, case, answer)
    verdict = answer["verdict"]
    assert verdict["code"] == case.code, (verdict, [leg["line"] for leg in answer["legs"]])
    marked = [leg for leg in answer["legs"] if leg["failed"]]
    assert [leg["name"] for leg in marked] == [case.failed] * bool(case.failed)
    if case.proof:
        assert case.proof in json.dumps(marked[0]["reasons"])
    if case.code != "ok" and "kind:" in case.policies:
        changed = {line.split()[1] for line in case.policies.splitlines() if "kind:" in line}
        told = " ".join(source["text"] for source in verdict["sources"])
        assert any(kind in told for kind in changed), (changed, told)
    if case.logs:
        (leg,) = [leg for leg in answer["legs"] if leg["name"] == failure_cases.SIDECARS]
        both = (leg["client_log"], leg["server_log"])
        said = tuple(f"{log['status']} {log['flags']} {log['details']}" for log in both)
        assert (said, leg["client_identity"]) == (case.logs, case.peer)
    if case.authorizes and case.code != "ok":
        rule, *_ = verdict["sources"]
        assert rule["text"] == "AuthorizationPolicy/default/callers#spec.rules[0]"
        assert rule["location"].endswith(":8"), "the rule's own line"
    if case.foretold:
        check(case, answer, foreseen)
    row = failure_table.row(case, answer)
    ROWS[version].append(row)
    if not WRITING:
        new, old = failure_table.rows_of(DOCUMENT.read_text(encoding="utf-8"))
        assert row in (new if version == NEW else old), "UPDATE_DOCS=1 writes the document anew"


def test_the_document_is_what_was_seen() -> None:
    """Each case has looked for its own line; the rest of the document follows from the lines.

    `UPDATE_DOCS=1 pytest tests/e2e/test_failures.py` writes it.
    """
    if WRITING:
        assert [len(rows) for rows in ROWS.values()] == [len(CASES)] * 2, "run every case, in one"
        DOCUMENT.write_text(failure_table.document(ROWS), encoding="utf-8")
    text = DOCUMENT.read_text(encoding="utf-8")
    new, old = failure_table.rows_of(text)
    assert [row[0] for row in new] == [case.title for case in CASES]
    assert [row[0] for row in old] == [case.title for case in CASES if case.old is not None]
    assert text == failure_table.document({NEW: new, OLD: old})


def test_every_code_is_brought_about() -> None:
    """None is only said of."""
    from lateen.causes import catalogue

    brought = {case.code for case in CASES}
    assert brought == {cause.code for cause in catalogue.EVERY}
