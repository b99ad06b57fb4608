"""Options that many commands share."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from lateen.cli.terminal import hints

DEFAULT_LAB = "default"
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")

Command = TypeVar("Command", bound=Callable[..., Any])
Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def complete(what: str, *arguments: str) -> Completer:
    """Return the completion that `completing` has under this name, loaded when it is asked for."""

    def offered(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        from lateen.cli.objects import completion

        made: Callable[..., list[str]] = getattr(completion, what)
        given = {**ctx.params, "lab": ctx.params.get("lab") or DEFAULT_LAB, "args": ctx.args}
        return made(*arguments, given, incomplete)

    return offered


class Word(click.ParamType[str]):
    """A value that may follow its short option with a sign between, as kubectl takes it: `-o=json`,
    which click takes for the value `=json`."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value without the sign."""
        return str(value).removeprefix("=")


class Span(click.ParamType[float]):
    """A length of time as kubectl takes it, `90s` or `1m30s`, or a number of seconds; in seconds.

    With `positive` it must be more than 0, else 0 at least.
    """

    name = "duration"

    def __init__(self, *, positive: bool = False) -> None:
        self._positive = positive

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds; what cannot be read is a usage error that tells how to write it."""
        from lateen.model.schema import (
            durations,  # the tree is loaded before it is known what is asked
        )

        if isinstance(value, float):
            return value
        try:
            found = float(value) if _NUMBER.fullmatch(value) else durations.seconds(value)
        except ValueError as error:
            self.fail(f"{error}, or as a number of seconds", param, ctx)
        if found < 0 or (self._positive and not found):
            least = "more than" if self._positive else "at least"
            self.fail(f"{value}: it must be {least} 0", param, ctx)
        return found


def _chosen(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """Have the commands that messages advise name the lab too, where it was typed."""
    source = ctx.get_parameter_source(parameter.name or "")
    if source is click.core.ParameterSource.COMMANDLINE:
        hints.choose(value)
    return value


lab = click.option(
    "--lab",
    envvar="LATEEN_LAB",
    default=DEFAULT_LAB,
    callback=_chosen,
    show_default=True,
    show_envvar=True,
    metavar="NAME",
    shell_complete=complete("lab"),
    help="Which lab.",
)
_NAMESPACES = complete("end", "namespace")
namespace = click.option(
    "-n",
    "--namespace",
    default="default",
    type=Word(),
    metavar="NS",
    shell_complete=_NAMESPACES,
    help="Namespace.",
)
everywhere = click.option(
    "-A", "--all-namespaces", "everywhere", is_flag=True, help="All namespaces."
)
selector = click.option(
    "-l", "--selector", type=Word(), default="", metavar="LABELS", help="Label selector, `app=web`."
)
output = click.option(
    "-o",
    "--output",
    default="",
    type=Word(),
    metavar="FORM",
    shell_complete=complete("word", "json", "yaml", "wide", "name", "jsonpath="),
    help="json, yaml, wide, name, jsonpath=TEMPLATE or jsonpath-file=NAME.",
)
as_json = click.option(
    "-o",
    "--output",
    default="",
    metavar="FORM",
    shell_complete=complete("word", "json"),
    help="json.",
)
home = click.option(
    "-n",
    "--namespace",
    default="",
    type=Word(),
    metavar="NS",
    shell_complete=_NAMESPACES,
    help="Namespace of objects that name none.",
)
container = click.option(
    "-c",
    "--container",
    default="",
    type=Word(),
    metavar="NAME",
    shell_complete=complete("container"),
    help="Container of the pod.",
)
label_columns = click.option(
    "-L",
    "--label-columns",
    multiple=True,
    metavar="LABELS",
    type=Word(),
    help="Add columns of these labels, `app,version`.",
)
files = click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    metavar="FILE",
    type=click.Path(),
    help="File, folder, or - for standard input.",
)

overlays = click.option(
    "-k",
    "--kustomize",
    "overlays",
    multiple=True,
    metavar="DIR",
    type=click.Path(),
    help="Folder that kustomize builds.",
)
recursive = click.option("-R", "--recursive", is_flag=True, help="Go into folders of folders.")
strict = click.option(
    "--strict", is_flag=True, help="Refuse kinds that nothing defines, instead of keeping them."
)
timeout = click.option(
    "--timeout",
    type=Span(),
    default=60.0,
    show_default=True,
    metavar="TIME",
    help="How long to wait: 90s, 1m30s, or a number of seconds.",
)
show_secrets = click.option(
    "--show-secrets", is_flag=True, help="Do not hide what may be a secret."
)


class Example(click.Command):
    """A command whose help shows what to type before it lists the options.

    The examples are what stands between backquotes in the epilog.
    """

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write usage, description, examples, options."""
        self.format_usage(ctx, formatter)
        self.format_help_text(ctx, formatter)
        shown = (self.epilog or "").split("`")[1::2]
        if shown:
            with formatter.section("Examples"):
                for line in shown:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        self.format_options(ctx, formatter)


def flag(*names: str, text: str = "") -> Callable[[Command], Command]:
    """Return an option without a value."""
    return click.option(*names, is_flag=True, help=text or None)


def text(
    *names: str,
    about: str,
    many: bool = False,
    complete: Completer | None = None,
) -> Callable[[Command], Command]:
    """Return an option whose value is a word, or with `many` any number of them."""
    default = None if many else ""
    return click.option(*names, default=default, multiple=many, help=about, shell_complete=complete)


proxies = click.option(
    "--proxies",
    multiple=True,
    metavar="DIR|FILE|live",
    type=click.Path(),
    help="What proxies really have: dumps of their admin, or `live`: each is asked, by exec.",
)


def ground(command: Command) -> Command:
    """Add what manifests are laid over: `--base`, `--context`, `--kubeconfig`."""
    options = (
        click.option(
            "--base",
            default="",
            metavar="FOLDER|FILE",
            type=click.Path(),
            help="Manifests, or a file of `lateen snapshot`, to stand on.",
        ),
        click.option(
            "--context",
            default="",
            metavar="NAME",
            help="Stand on a cluster's objects; only get and list are asked for, no Secrets.",
        ),
        click.option(
            "--kubeconfig", default="", metavar="FILE", type=click.Path(), help="Of that cluster."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
