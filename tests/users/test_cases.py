"""What users of Istio suffered from, as folders of manifests: the symptom is foretold, the cause is
named with its line, and where a change of a manifest mends it, that was tried.

Many are those that people asked about in public; the rules are written anew, the workloads are the
same for all. `case.yaml` says what is asked and what must be said.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from lateen.app.foresight import offline
from lateen.app.lab.settings import LabSettings
from lateen.model.labapi.explain import ExplainRequest
from lateen.model.manifests import reader

HERE = Path(__file__).parent
WORKLOADS = (HERE / "workloads.yaml").read_text(encoding="utf-8")


class UserCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request, and what must be said: status (null for none), class, the line of `rules.yaml`
    that decided, and the first remedy (empty where no manifest mends it)."""

    what: str
    request: dict[str, Any]
    status: int | None
    code: str
    line: int = 0
    remedy: str = ""
    lost: str = ""
    """What must be named among what did not decide."""


def read(folder: Path) -> UserCase:
    """Return the case of a folder."""
    return msgspec.convert(yaml.safe_load((folder / "case.yaml").read_text("utf-8")), UserCase)


FOLDERS = sorted(path.parent for path in (HERE / "cases").glob("*/case.yaml"))
CASES = {folder.name: read(folder) for folder in FOLDERS}


def explained(name: str, request: dict[str, Any]) -> Any:
    """Return what is foretold of a request in a case's mesh."""
    rules = HERE / "cases" / name / "rules.yaml"
    files = {"workloads.yaml": WORKLOADS}
    if rules.exists():
        files["rules.yaml"] = rules.read_text(encoding="utf-8")
    items = [
        offline.Item(placed(each.body), each.locate, file, each.line)
        for file, text in files.items()
        for each in reader.parse(text, file).manifests
    ]
    settings = LabSettings(lab="files", istio="1.32", user=0)
    if "{api}" in request["url"]:
        made = offline.rehearsal.Rehearsal(items, settings).snapshot()
        pods = made.pods.values()
        address = next(p.status.pod_ip for p in pods if p.metadata.name[:3] == "api")
        request = {**request, "url": request["url"].format(api=address)}
    asked = msgspec.convert(request, ExplainRequest)
    return offline.explain(items, settings, asked, files)


def placed(body: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest with the namespace that it goes to."""
    if body["kind"] == "Namespace":
        return body
    return {**body, "metadata": {"namespace": "default", **body["metadata"]}}


@pytest.mark.parametrize("name", CASES)
def test_a_user_s_case_is_foretold(name: str) -> None:
    case = CASES[name]
    told = explained(name, case.request)
    outcomes = [branch["outcome"] for branch in told["branches"]]
    assert {(each["status"], each["code"]) for each in outcomes} == {(case.status, case.code)}
    if case.line:
        places = [source["location"] for source in outcomes[0]["sources"]]
        assert f"rules.yaml:{case.line}" in places
    remedies = [each["title"] for each in told.get("remedies", ())]
    assert remedies[:1] == [case.remedy] * bool(case.remedy)
    lost = [
        f"{each['text']}: {each['why']}" for o in outcomes for s in o["steps"] for each in s["lost"]
    ]
    assert not case.lost or any(case.lost in each for each in lost), lost


def test_most_failures_have_a_remedy() -> None:
    """Printing none is no success: how many have one is counted."""
    failing = [case for case in CASES.values() if case.code not in ("ok", "http-1.0")]
    assert sum(1 for case in failing if case.remedy) >= len(failing) * 2 / 3, f"of {len(failing)}"
