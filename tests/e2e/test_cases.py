"""What went wrong for others, from public issues: is the cause right, is the object named, and does
each remedy help?

`./run cases` runs all of them; the ordinary tests a handful (`quick: true`). Each folder has the
manifests, in a namespace of its own, and what is to be asked and told (`case.yaml`).
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from lateen.base.clock import SystemClock
from tests.e2e import credentials, remedies
from tests.e2e.labs import Lab

pytestmark = pytest.mark.e2e

Json = dict[str, Any]
HERE = Path(__file__).parents[1] / "cases"
ALL = bool(os.environ.get("LATEEN_CASES"))
PATIENCE = 10.0


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One case. `object` must be named by the verdict's sources or findings, `hint` be in a hint
    or finding; `remedies` is how many changes must be offered, each of which brings about
    `wished`. `busy` is how many such requests are on their way meanwhile, `namespace` that of the
    client's pod."""

    issue: str
    what: str
    url: str
    code: str
    object: str = ""
    arguments: tuple[str, ...] = ()
    remedies: int = 0
    wished: str = "ok"
    hint: str = ""
    busy: int = 0
    namespace: str = "common"
    lab: str = "open"
    quick: bool = False


def read(folder: Path) -> Case:
    return msgspec.convert(yaml.safe_load((folder / "case.yaml").read_text()), Case)


CASES = {file.parent.name: read(file.parent) for file in sorted(HERE.glob("*/case.yaml"))}
CHOSEN = {name: case for name, case in CASES.items() if ALL or case.quick}


@pytest.fixture(scope="module")
def lab_of(make_lab: Callable[..., Lab]) -> Callable[[str], Lab]:
    """The lab of each kind, with the manifests of all cases that are asked in it."""
    made: dict[str, Lab] = {}

    def of(kind: str) -> Lab:
        if kind not in made:
            lab = make_lab(f"cases-{kind}")
            common = HERE / ("common" if kind == "open" else kind)
            up = lab.lateen("up", str(common), timeout=120)
            assert up.returncode == 0, up.stderr + lab.logs()
            names = [name for name, case in CHOSEN.items() if case.lab == kind]
            files = [HERE / name / "manifests.yaml" for name in names]
            wanted = [word for file in files if file.exists() for word in ("-f", str(file))]
            if wanted:
                lab.ok("apply", "-f", "-", stdin=credentials.every())
                lab.ok("apply", *wanted, timeout=180)
            made[kind] = lab
        return made[kind]

    return of


def url_of(lab: Lab, case: Case) -> str:
    """Return the URL, with a pod's address in the place of `POD-OF-namespace`."""
    marked, _, rest = case.url.partition("POD-OF-")
    if not rest:
        return case.url
    listed = lab.kubectl("get", "pods", "-n", rest.rstrip("/"), "-o", "json").stdout
    return f"{marked}{json.loads(listed)['items'][0]['status']['podIP']}/"


def ask(lab: Lab, case: Case, code: str) -> Json:
    """Ask until it is told as `code`, or for a while: what changed arrives a moment later."""
    argv = ["curl", url_of(lab, case), *case.arguments]
    argv += ["--namespace", case.namespace] if "--from" in case.arguments else []
    deadline = SystemClock().monotonic() + PATIENCE
    busy: list[subprocess.Popen[bytes]] = []
    while True:
        while len([each for each in busy if each.poll() is None]) < case.busy:
            words = lab.command(sys.executable, "-m", "lateen.cli.entry", *argv)
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            busy.append(subprocess.Popen(words, env=lab.env, **quiet))
        done = lab.lateen(*argv, "-o", "json")
        assert done.stdout, done.stderr + lab.logs()
        answer: Json = json.loads(done.stdout)
        late = SystemClock().monotonic() > deadline
        if answer["verdict"]["code"] == code or late:
            for each in busy:
                each.wait(PATIENCE)
            return answer
        time.sleep(0.05)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_case_is_told_and_mended(lab_of: Callable[[str], Lab], name: str) -> None:
    case = CHOSEN[name]
    lab = lab_of(case.lab)
    answer = ask(lab, case, case.code)
    verdict = answer["verdict"]
    lines = [leg["line"] for leg in answer["legs"]]
    assert verdict["code"] == case.code, (verdict["sentence"], lines)
    named = [source["text"] for source in verdict["sources"]]
    named += [found["object"] for found in verdict["findings"]]
    assert any(each.partition("#")[0] == case.object for each in named) or not case.object, named
    helping = " ".join([*verdict["hints"], *(each["message"] for each in verdict["findings"])])
    assert case.hint in helping
    offered = verdict["remedies"]
    assert len(offered) >= case.remedies, [each["text"] for each in offered]
    for remedy in offered:
        with remedies.made(lab, remedy):
            again = ask(lab, case, case.wished)
        assert again["verdict"]["code"] == case.wished, (remedy["text"], again["verdict"])
