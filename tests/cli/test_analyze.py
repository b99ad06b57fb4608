"""`lateen analyze` on manifests alone: what is printed, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WALKTHROUGH = ROOT / "examples" / "walkthrough"
CASES = ROOT / "tests" / "analysis" / "cases"


def analyze(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lateen.cli.entry", "analyze", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=50, check=False)


def codes(done: subprocess.CompletedProcess[str]) -> set[str]:
    return {each["code"] for each in json.loads(done.stdout)}


def test_the_walkthroughs_own_conflict_is_found_and_no_more() -> None:
    done = analyze(WALKTHROUGH, "--istio", "1.17", "-o", "json", "--fail-on", "error")
    assert done.returncode == 79
    assert codes(done) == {"LTN0150", "LTN0153", "IST0129", "IST0148"}
    refused = next(each for each in json.loads(done.stdout) if each["code"] == "LTN0150")
    assert refused["reference"].endswith("DestinationRule.yaml:20")
    assert "force-mtls demands mutual TLS" in refused["message"]
    assert "portLevelMtls 443: DISABLE" in refused["remedy"]


def test_findings_alone_fail_nothing() -> None:
    assert analyze(WALKTHROUGH, "--istio", "1.17").returncode == 0


def test_a_baseline_keeps_what_stood_before(tmp_path: Path) -> None:
    kept = tmp_path / "baseline.json"
    assert analyze(WALKTHROUGH, "--write-baseline", kept).returncode == 0
    done = analyze(WALKTHROUGH, "--baseline", kept, "--fail-on", "info")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no findings" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--fail-on", "fatal"], "Info, Warning or Error"),
        (["-o", "html"], "-o html: use log, json"),
        (["--suppress", "IST9999"], "no message has the code"),
        (["--baseline", str(CASES / "IST0118" / "fires.yaml")], "is no baseline"),
    ],
)
def test_a_wrong_option_is_named(arguments: list[str], word: str) -> None:
    done = analyze(CASES / "IST0118" / "fires.yaml", *arguments)
    assert done.returncode == 64
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_read_is_told_apart_from_findings(tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {prots: []}\n")
    done = analyze(file, "-o", "json")
    assert (done.returncode, done.stdout) == (65, "")
    assert "web.yaml:4" in done.stderr


def test_the_other_tools_cases_need_no_gateway_and_no_service() -> None:
    files = ROOT / "tests" / "analysis" / "files" / "shop"
    command = [sys.executable, "-m", "lateen.cli.entry", "test"]
    command += ["-f", str(files / "mesh.yaml"), str(files / "config-validator.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("12 passed, 0 failed\n")
