"""Options that many commands share."""

import click
import pytest
from click.testing import CliRunner

from lateen.app.lab import lab as labs
from lateen.cli import options
from lateen.cli.main import app


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12s", 12.0), ("1m30s", 90.0), ("2", 2.0), ("0", 0.0), ("0.5", 0.5), ("250ms", 0.25),
     ("1h", 3600.0), (".5", 0.5), ("1.5h", 5400.0)],
)  # fmt: skip
def test_lengths_of_time_as_kubectl_takes_them(text: str, seconds: float) -> None:
    assert options.Span().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "12 s", "5d", "-1s", "-3", "nan", "inf", "s", "1e3", "soon"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(click.UsageError):
        options.Span().convert(text, None, None)


@pytest.mark.parametrize("command", ["up", "apply -f x", "curl --timeout 0 x"])
def test_a_wrong_length_is_told_how_to_be_written(command: str) -> None:
    done = CliRunner().invoke(app, [*command.split(), "--timeout", "soon"])
    assert done.exit_code == 2
    assert "10s, 1.5s" in done.output
    assert "number of seconds" in done.output


def test_the_version_needs_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_lab: str) -> None:
        raise labs.LabError("this user has no home", 64)

    monkeypatch.setattr(labs, "find", homeless)
    done = CliRunner().invoke(app, ["version"])
    assert done.output.startswith("lateen: ")
    refused = CliRunner().invoke(app, ["version", "--lab", "No/Name"])
    assert isinstance(refused.exception, labs.LabError)
