"""What `--help` says of every command."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from lateen.cli.main import app


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name)


def test_every_command_stands_in_one_section() -> None:
    shown = CliRunner().invoke(app, ["--help"], prog_name="lateen").output
    for name in app.commands:
        assert len([line for line in shown.splitlines() if line.split()[:1] == [name]]) == 1, name


@pytest.mark.parametrize("words", list(commands(app)), ids=" ".join)
def test_examples_come_before_the_options(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"], prog_name="lateen")
    assert done.exit_code == 0
    before, _, after = done.output.partition("\nOptions:")
    assert after
    shown = before.partition("\nExamples:\n")[2].splitlines()
    assert shown, done.output
    for line in shown:
        assert f"lateen {' '.join(words)}" in line
