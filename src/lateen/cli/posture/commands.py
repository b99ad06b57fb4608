"""The commands about all requests: posture, diff, upgrade, drift."""

from typing import Any

import click

from lateen.cli import options
from lateen.cli.options import complete, text

_output = {
    "posture": ("table", "json", "html"),
    "diff": ("log", "json", "markdown", "github"),
}
fail_on = click.option(
    "--fail-on",
    multiple=True,
    metavar="KIND",
    help="End with 79 for changes of this kind: less-secure, broken, any.",
)
changes_output = click.option(
    "-o",
    "--output",
    default="log",
    type=options.Word(),
    metavar="FORM",
    shell_complete=complete("word", *_output["diff"]),
    help="log, json, markdown or github.",
)
start = text("--from", "start", about="Only these clients: NS/NAME, NAME, ns/NS, outside, a*.")
to = text("--to", about="Only these destinations: NS/SERVICE, SERVICE, ns/NS, a host, a*.")
istio = text("--istio", about="Version to behave as.", complete=complete("istio"))


@click.command(
    cls=options.Example,
    epilog="Examples: `lateen posture mesh/`; `lateen posture mesh/ --only plaintext`; "
    "`lateen posture --context prod --to payments -o html > posture.html`",
)
@click.argument("names", nargs=-1, metavar="[DIR|FILE|-]...", type=click.Path())
@options.files
@options.overlays
@options.recursive
@options.ground
@options.proxies
@options.lab
@istio
@start
@to
@text("--only", about="Only what is plaintext, denied, broken, unknown or reached.")
@click.option(
    "-o",
    "--output",
    default="table",
    type=options.Word(),
    metavar="FORM",
    shell_complete=complete("word", *_output["posture"]),
    help="table, json or html.",
)
def posture(names: tuple[str, ...], files: tuple[str, ...], lab: str, **given: Any) -> int:
    """Say what all requests will do: who reaches what, how protected, decided by whom.

    A class of requests is what the configuration tells apart; each comes with one of its requests.
    """
    from lateen.cli.lab.rehearsed import Ground
    from lateen.cli.manifests.named import Named
    from lateen.cli.posture import posture as command

    named = Named([*names, *files], given.pop("overlays"), recursive=given.pop("recursive"))
    ground = Ground(**{k: given.pop(k) for k in ("base", "context", "kubeconfig")})
    return command.posture(lab, command.PostureOptions(named=named, ground=ground, **given))


@click.command(
    cls=options.Example,
    epilog="Examples: `lateen diff old/ new/`; `lateen diff main..HEAD -f mesh/ --fail-on "
    "less-secure`; `lateen diff lab:default mesh/`; `lateen diff prod.json context:prod`",
)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW", default="")
@options.files
@options.overlays
@options.recursive
@options.ground
@istio
@start
@to
@fail_on
@changes_output
def diff(old: str, new: str, files: tuple[str, ...], **given: Any) -> int:
    """Say which classes of requests change between two states, less secure changes first.

    A state is a folder or file, `git:REVISION` (of -f), `lab:NAME`, `lab:NAME+PATH` once
    that is applied, `context:NAME`, or a file of
    `lateen snapshot`. `OLD..NEW` names two revisions; `OLD..` compares with what is there now.
    """
    from lateen.cli.posture import difference as command

    reading = _reading(files, given)
    return command.diff(command.DiffOptions(old=old, new=new, reading=reading, **given))


@click.command(
    cls=options.Example,
    epilog="Examples: `lateen upgrade mesh/ --from 1.20 --to 1.32`; "
    "`lateen upgrade --context prod --from 1.27 --to 1.28 --fail-on broken`",
)
@click.argument("names", nargs=-1, metavar="[DIR|FILE|-]...", type=click.Path())
@options.files
@options.overlays
@options.recursive
@options.ground
@options.lab
@text("--from", "old", about="The version that it is.", complete=complete("istio"))
@text("--to", "new", about="The version that it is to be.", complete=complete("istio"))
@fail_on
@changes_output
def upgrade(names: tuple[str, ...], files: tuple[str, ...], **given: Any) -> int:
    """Say which classes of requests another version of Istio changes, and by which default."""
    from lateen.cli import exits
    from lateen.cli.posture import difference as command

    if not given["old"] or not given["new"]:
        exits.complain("error: name both versions: --from 1.20 --to 1.32")
        return exits.USAGE
    reading = _reading((*names, *files), given)
    return command.upgrade(command.UpgradeOptions(reading=reading, **given))


@click.command(
    cls=options.Example,
    epilog="Examples: `lateen drift`; `lateen drift --context prod`; "
    "`lateen drift --base prod.json --proxies dumps/ --fail-on any`",
)
@click.argument("names", nargs=-1, metavar="[DIR|FILE|-]...", type=click.Path())
@options.files
@options.overlays
@options.recursive
@options.ground
@options.proxies
@options.lab
@istio
@start
@to
@fail_on
@changes_output
def drift(names: tuple[str, ...], files: tuple[str, ...], **given: Any) -> int:
    """Say which classes of requests proxies treat otherwise than the same objects compiled here.

    Without --proxies each proxy is asked. What one side alone has is listed by its name.
    """
    from lateen.cli.posture import drift as command

    reading = _reading((*names, *files), given)
    return command.drift(command.DriftOptions(reading=reading, **given))


def _reading(names: tuple[str, ...], given: dict[str, Any]) -> Any:
    from lateen.cli.lab.rehearsed import Ground
    from lateen.cli.manifests.named import Named
    from lateen.cli.posture.sides import Reading

    named = Named(list(names), given.pop("overlays"), recursive=given.pop("recursive"))
    ground = Ground(**{k: given.pop(k) for k in ("base", "context", "kubeconfig")})
    return Reading(named=named, ground=ground, istio=given.pop("istio", ""))


COMMANDS = (posture, diff, upgrade, drift)
"""In the order in which they are told of."""
