"""Write the reference pages from the code: docs/commands.md, docs/lateen-yaml.md, docs/images.md.

Usage: python tools/reference.py            (a test holds the pages to what this would write)
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from lateen.app.lab import settings
from lateen.cli import exits, main as tree
from lateen.node.images import catalogue

DOCS = Path(__file__).parents[1] / "docs"


def commands() -> str:
    """Return the page of all commands: what each does, how it is typed, its options."""
    lines = [
        "# Commands",
        "",
        "Generated from the code by `tools/reference.py`. `lateen COMMAND --help` prints the same.",
        "",
        "## Exit codes",
        "",
        "The same for all commands; `exec` and `shell` end as what they ran.",
        "",
        "| code | meaning |",
        "|---|---|",
        *(f"| {code} | {meaning} |" for code, meaning in exits.TABLE),
    ]
    for words, command in _every(tree.app, ()):
        lines += ["", f"## lateen {' '.join(words)}", "", *_command(words, command)]
    return "\n".join(lines) + "\n"


def _every(
    group: click.Group, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _every(command, (*words, name))
        else:
            yield (*words, name), command


def _command(words: tuple[str, ...], command: click.Command) -> Iterator[str]:
    yield from inspect.cleandoc(command.help or "").splitlines()
    context = click.Context(command, info_name=" ".join(words))
    usage = " ".join(command.collect_usage_pieces(context))
    yield from ("", "```", f"lateen {' '.join(words)} {usage}".rstrip(), "```")
    if examples := (command.epilog or "").split("`")[1::2]:
        yield from ("", "For example:", "", "```", *examples, "```")
    rows = [
        record
        for parameter in command.get_params(context)
        if (record := parameter.get_help_record(context))
        and not record[0].endswith("--help")
        and record[1]
    ]
    if rows:
        yield from ("", "| option | meaning |", "|---|---|")
        for option, meaning in rows:
            yield f"| `{_cell(option)}` | {_cell(' '.join(meaning.split()))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def lateen_yaml() -> str:
    """Return the page of lateen.yaml: each field with its type and what it says of itself."""
    lines = [
        "# lateen.yaml",
        "",
        "Generated from the code by `tools/reference.py`. A folder that `lateen up` is given may",
        "hold a `lateen.yaml`. What it leaves out has its default; the command line wins over it.",
        "",
        "| field | type | meaning |",
        "|---|---|---|",
    ]
    said = _said(settings.FileSettings)
    for field in msgspec.structs.fields(settings.FileSettings):
        kind = _kind(str(field.type))
        lines.append(f"| `{field.encode_name}` | {kind} | {_cell(said[field.name])} |")
    return "\n".join(lines) + "\n"


def _said(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return what stands in quotes below each field of a struct."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(struct))).body
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[before.target.id] = " ".join(str(after.value.value).split())
    return found


_KINDS = {
    "bool": "true or false",
    "float": "number",
    "int": "number",
    "str": "text",
    "list[str]": "list of texts",
    "dict[str, list[str] | str]": "map of texts, or of lists of texts",
}


def _kind(written: str) -> str:
    bare = re.sub(r" \| None$", "", written).removeprefix("<class '").removesuffix("'>")
    return _KINDS.get(bare, bare)


def images() -> str:
    """Return the page of the images that have a stand-in."""
    lines = [
        "# Images",
        "",
        "Generated from the code by `tools/reference.py`; `lateen images` prints the same. No",
        "registry is asked for these: a process stands in that answers as the image does. Yours go",
        "under `images` in [lateen.yaml](lateen-yaml.md).",
        "",
        "| image | stand-in | ports | what is different |",
        "|---|---|---|---|",
    ]
    for row in catalogue.rows():
        ports = "as its command does"
        if row.ports is not None:
            ports = ", ".join(f"{port.port} {port.words}" for port in row.ports) or "none"
        cells = (f"`{row.image}`", row.kind, ports, row.differs or "nothing that is known")
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


PAGES = {"commands.md": commands, "lateen-yaml.md": lateen_yaml, "images.md": images}


if __name__ == "__main__":
    for name, made in PAGES.items():
        (DOCS / name).write_text(made(), encoding="utf-8")
