"""What pytest collects and gives where Lateen is installed, run as a project's own tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.labs import WALKTHROUGH

pytestmark = pytest.mark.e2e

TESTS = """
from pathlib import Path

MESH = Path({mesh!r})


def test_a_request_is_answered(mesh):
    mesh.apply(MESH)
    told = mesh.curl("http://istio-ingressgateway/http-mTLS")
    assert told["response"]["status"] == 200
    assert mesh.explain("http://istio-ingressgateway/http-mTLS")["exit"] == 0


def test_the_next_test_finds_nothing_of_it(mesh):
    told = mesh.explain("http://istio-ingressgateway/http-mTLS")
    assert told["exit"] == 1
"""
CASES = """
mesh: {mesh}
istio: "1.17"
cases:
- name: it is answered
  request: {{url: http://istio-ingressgateway/http-mTLS}}
  expect: {{status: 200, tls: mtls}}
- name: it is not what somebody thought
  request: {{url: http://istio-ingressgateway/https-mTLS}}
  expect: {{status: 200}}
"""


def run(folder: Path) -> str:
    """Run a folder's tests as their owner would."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."]
    command += ["-p", "no:schemathesis", "-p", "no:xdist"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
        },
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    return done.stdout + done.stderr


def test_cases_are_tests_and_a_failing_one_explains_itself(tmp_path: Path) -> None:
    (tmp_path / "mesh.cases.yaml").write_text(CASES.format(mesh=WALKTHROUGH))
    told = run(tmp_path)
    assert "1 failed, 1 passed" in told, told
    assert "status 200 expected, 503 predicted" in told
    assert "force-mtls" in told


def test_the_fixture_gives_a_lab_with_clean_objects(tmp_path: Path) -> None:
    (tmp_path / "test_mesh.py").write_text(TESTS.format(mesh=str(WALKTHROUGH)))
    told = run(tmp_path)
    assert "2 passed" in told, told


def test_a_file_that_holds_no_cases_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.cases.yaml").write_text("cases: [{name: x, request: {}, expect: {}}]\n")
    told = run(tmp_path)
    assert "bad.cases.yaml" in told
    assert "url" in told
