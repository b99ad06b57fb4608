"""The commands that judge manifests, or what a lab holds: analyze, test, snapshot."""

from typing import Any

import click

from lateen.cli import options


@click.command(
    cls=options.Example,
    epilog="Examples: `lateen analyze mesh/`; `lateen analyze mesh/ --fail-on warning`; "
    "`lateen analyze --suppress 'IST0118=Service *.shop'`",
)
@click.argument("names", nargs=-1, metavar="[DIR|FILE|-]...", type=click.Path())
@options.files
@options.overlays
@options.recursive
@options.ground
@options.lab
@options.text("--istio", about="Version to behave as.", complete=options.complete("istio"))
@click.option(
    "-n", "--namespace", default="", metavar="NS", help="Only what is said of this namespace."
)
@click.option(
    "-o",
    "--output",
    default="log",
    type=options.Word(),
    metavar="FORM",
    shell_complete=options.complete("word", "log", "json", "yaml", "sarif", "junit", "github"),
    help="log, json, yaml, sarif, junit or github.",
)
@click.option(
    "--fail-on",
    "--failure-threshold",
    "fail_on",
    default="",
    metavar="LEVEL",
    help="End with 79 for findings at this level or above: Info, Warning, Error.",
)
@click.option("--output-threshold", default="Info", metavar="LEVEL", help="Tell from here on.")
@click.option(
    "-S",
    "--suppress",
    multiple=True,
    metavar="CODE[=OBJECT]",
    help="Leave out, `IST0118=Service web.shop`; `*` is any text.",
)
@click.option("--baseline", default="", metavar="FILE", help="Leave out what stood before.")
@click.option("--write-baseline", default="", metavar="FILE", help="Write what stands now.")
def analyze(names: tuple[str, ...], files: tuple[str, ...], lab: str, **given: Any) -> int:
    """Say what is doubtful in manifests, or in a lab where none are named."""
    from lateen.cli.analysis import analyze as command
    from lateen.cli.lab.rehearsed import Ground
    from lateen.cli.manifests.named import Named

    every = [*names, *files]
    named = Named(every, given.pop("overlays"), recursive=given.pop("recursive"))
    ground = Ground(**{k: given.pop(k) for k in ("base", "context", "kubeconfig")})
    return command.analyze(lab, command.AnalyzeOptions(named=named, ground=ground, **given))


@click.command(
    cls=options.Example,
    epilog="Examples: `lateen test mesh.cases.yaml`; `lateen test -f mesh/ cases/*.yaml -o junit`",
)
@click.argument("cases", nargs=-1, required=True, metavar="FILE...", type=click.Path())
@options.files
@options.overlays
@options.recursive
@options.ground
@options.lab
@options.text("--istio", about="Version to behave as.", complete=options.complete("istio"))
@click.option(
    "-o",
    "--output",
    default="log",
    type=options.Word(),
    metavar="FORM",
    shell_complete=options.complete("word", "log", "json", "junit"),
    help="log, json or junit.",
)
@options.flag("--live", text="Send them, in a lab.")
def test(cases: tuple[str, ...], files: tuple[str, ...], lab: str, **given: Any) -> int:
    """Predict requests, and compare with what a file of cases expects of them.

    The mesh is that of -f, else what the file names, else a lab. With --live they are sent there.
    """
    from lateen.cli.analysis import test as command
    from lateen.cli.lab.rehearsed import Ground
    from lateen.cli.manifests.named import Named

    named = Named(list(files), given.pop("overlays"), recursive=given.pop("recursive"))
    ground = Ground(**{k: given.pop(k) for k in ("base", "context", "kubeconfig")})
    return command.test(lab, command.CaseOptions(files=cases, named=named, ground=ground, **given))


@click.command(
    cls=options.Example,
    epilog="Examples: `lateen snapshot > mesh.json`; `lateen snapshot --context prod -w prod.json`",
)
@options.files
@options.overlays
@options.recursive
@options.ground
@options.lab
@click.option("-w", "--write", "output", default="", metavar="FILE", help="Not to standard output.")
def snapshot(files: tuple[str, ...], lab: str, output: str, **given: Any) -> int:
    """Write what a lab, a cluster or manifests hold as one file, to be stood on by --base.

    Secrets are left out.
    """
    from lateen.cli.analysis import snapshot as command
    from lateen.cli.lab.rehearsed import Ground
    from lateen.cli.manifests.named import Named

    named = Named(list(files), given.pop("overlays"), recursive=given.pop("recursive"))
    return command.snapshot(lab, named, Ground(**given), output)


COMMANDS = (analyze, test, snapshot)
"""In the order in which they are told of."""
