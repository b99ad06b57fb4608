"""`apply --dry-run` without a lab: files alone, compiled as an empty lab would."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lateen.cli.main import app

ROUTE = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - route: [{destination: {host: web, subset: %s}}]
"""
SERVICE = ROUTE.partition("---")[0]
"""Of which a warning says that it selects no pod."""


@pytest.fixture(autouse=True)
def _no_lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="lt-") as home:  # pytest's are too deep for sockets
        monkeypatch.setenv("LATEEN_HOME", home)
        yield


def dry_run(tmp_path: Path, text: str, *options: str) -> Result:
    file = tmp_path / "mesh.yaml"
    file.write_text(text)
    words = ["apply", "--dry-run", "-f", str(file), *options]
    return CliRunner().invoke(app, words, standalone_mode=False)


def test_findings_name_the_line_though_no_lab_is_up(tmp_path: Path) -> None:
    done = dry_run(tmp_path, ROUTE % "nope")
    assert done.return_value == 0, done.output
    assert "virtualservice.networking.istio.io/web created (dry run)\n" in done.stdout
    assert "checked on these files alone" in done.stderr
    assert f"Error [IST0101] (VirtualService default/web {tmp_path}/mesh.yaml:12)" in done.stderr


@pytest.mark.parametrize(
    ("text", "level", "code"),
    [
        (ROUTE % "nope", "error", 79),
        (SERVICE, "error", 0),
        (SERVICE, "warning", 79),
        (SERVICE, "Info", 79),
    ],
)
def test_a_threshold_decides_the_exit_code(
    tmp_path: Path, text: str, level: str, code: int
) -> None:
    done = dry_run(tmp_path, text, "--fail-on", level)
    assert done.return_value == code, done.stderr


def test_lateen_yaml_beside_the_manifests_counts(tmp_path: Path) -> None:
    (tmp_path / "lateen.yaml").write_text("istio: '9.9'\n")
    (tmp_path / "mesh.yaml").write_text(ROUTE % "v1")
    words = ["apply", "--dry-run", "-f", str(tmp_path)]
    done = CliRunner().invoke(app, words, standalone_mode=False)
    assert "9.9" in str(done.exception)


def test_bad_input_is_refused_as_without_a_dry_run(tmp_path: Path) -> None:
    done = dry_run(tmp_path, ROUTE.replace("hosts:", "hostz:") % "v1")
    assert done.return_value == 65
    assert 'unknown field "spec.hostz"' in done.stderr


@pytest.mark.parametrize(("option", "code"), [("--dry-run=client", 0), ("--dry-run=server", 1)])
def test_kubectls_values_are_taken(tmp_path: Path, option: str, code: int) -> None:
    """`server` asks a server: without a lab there is none."""
    file = tmp_path / "mesh.yaml"
    file.write_text(SERVICE)
    done = CliRunner().invoke(app, ["apply", option, "-f", str(file)])
    assert done.exit_code == code, done.output
