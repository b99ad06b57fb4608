"""The command tree: what is like kubectl here; what shows traffic and what foretells, beside it.
Each command imports what it needs when it runs, so that none waits for another's libraries."""

import functools
import sys
from typing import Any

import click

from lateen import __version__
from lateen.cli import options
from lateen.cli.analysis import commands as judging
from lateen.cli.images import commands as imaging
from lateen.cli.options import flag
from lateen.cli.posture import commands as posture
from lateen.cli.traffic import commands

_SECTIONS = {
    "A lab": ("demo", "up", "down", "status", "ls", "check", "shell", "run", "page"),
    "Its objects, as kubectl has them": ("apply", "delete", "get", "describe", "exec", "logs"),
    "What travels": ("curl", "token", "tap", "edges", "capture"),
    "What will be": (
        "explain",
        "posture",
        "diff",
        "upgrade",
        "drift",
        "analyze",
        "test",
        "snapshot",
    ),
}
"""The commands under titles; what is not named stands under a last one."""
_SENTENCE = 200
"""Characters of a command's first sentence, which wraps."""


class Tree(click.Group):
    """The commands in the order in which they are told of, not by name."""

    command_class = options.Example

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of definition."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands of the first level in sections."""
        if ctx.parent is not None:
            return super().format_commands(ctx, formatter)
        placed = {name for names in _SECTIONS.values() for name in names}
        rest = tuple(name for name in self.commands if name not in placed)
        for title, names in {**_SECTIONS, "More": rest}.items():
            rows = [(name, self.commands[name].get_short_help_str(_SENTENCE)) for name in names]
            with formatter.section(title):
                formatter.write_dl([(name.ljust(10), text) for name, text in rows])
        return None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Click would call it a failure when nobody reads its output."""
        from lateen.cli import exits

        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            return exits.output_closed()
        return result


@click.group(
    cls=Tree,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="lateen %(version)s")
def app() -> None:
    """An Istio service mesh on one machine: manifests in, real Envoy and real mutual TLS out.

    `lateen demo` shows it; `lateen up DIR` starts a lab with your manifests; `lateen COMMAND
    --help` has examples of each command.
    """


@app.command(
    epilog="Examples: `lateen up examples/walkthrough --istio 1.17`; `cat *.yaml | lateen up -`; "
    "`lateen up -k overlays/test`; `lateen up mesh/ --watch`"
)
@click.argument("names", nargs=-1, metavar="[DIR|FILE|-]...", type=click.Path())
@options.lab
@options.text(
    "--istio",
    about="Istio version to behave as, `1.17`.",
    complete=options.complete("istio"),
)
@flag("--foreground", text="Stay; Ctrl-C ends the lab.")
@flag("--watch", text="Stay, and apply manifests again when they change.")
@flag("--trust", text="Agree to what lateen.yaml opens of this machine.")
@options.timeout
@click.option("--api-port", default=0, metavar="PORT", help="Port of the API server; 0 picks one.")
@options.overlays
@options.recursive
@options.strict
def up(
    names: tuple[str, ...], overlays: tuple[str, ...], recursive: bool, strict: bool, **given: Any
) -> int:
    """Start a lab and apply manifests to it."""
    from lateen.cli.lab import up as command
    from lateen.cli.manifests.named import Named

    return command.up(Named(names, overlays, recursive, strict), **given)


@app.command(epilog="Examples: `lateen down`; `lateen down --lab other`")
@options.lab
@flag("--keep", text="Keep objects and keys for the next up.")
@flag("--all", "every", text="Every lab of this user.")
def down(lab: str, **given: Any) -> int:
    """End a lab and remove everything it made."""
    from lateen.cli.lab import down as ending

    return ending.down(lab, **given)


@app.command(epilog="Examples: `lateen check`; `lateen check --lab other -o json`")
@options.lab
@options.as_json
def check(lab: str, output: str) -> int:
    """Check what this machine allows, and how the lab is; each line with its remedy."""
    from lateen.cli.lab import check as command

    return command.check(lab, output)


@app.command(epilog="Examples: `lateen ls`; `lateen ls -o json`")
@options.as_json
def ls(output: str) -> int:
    """List the labs of this user."""
    from lateen.cli.lab import ls as command

    return command.ls(output)


@app.command(
    epilog="Examples: `lateen status`; `lateen status -o json`; "
    "`lateen status --exit-code --failure-threshold warning`"
)
@options.lab
@options.as_json
@flag("--exit-code", text="End with 79 when the mesh is not complete, or with a finding.")
@click.option(
    "--failure-threshold",
    "threshold",
    default="error",
    show_default=True,
    type=click.Choice(["error", "warning", "info"], case_sensitive=False),
    help="The least level of a finding that counts for --exit-code.",
)
def status(lab: str, output: str, exit_code: bool, threshold: str) -> int:
    """Show problems, gateways, and proxies with the state of their configuration."""
    from lateen.cli.lab import status as showing

    return showing.status(lab, output, threshold if exit_code else "")


@app.command(
    context_settings={"ignore_unknown_options": True},
    epilog="Examples: `lateen run api --port 8080 -- ./my-server`; "
    "`lateen run reviews --instead-of deploy/reviews-v1 --port 9080 --watch -- python3 app.py`",
)
@click.argument("name")
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND...")
@options.lab
@options.namespace
@click.option(
    "--port", "ports", multiple=True, type=int, metavar="PORT", help="Port that it listens on."
)
@click.option(
    "--protocol",
    default="http",
    show_default=True,
    help="What it speaks there, as Istio names a Service's ports: http, grpc, tcp.",
)
@click.option(
    "--instead-of", default="", metavar="deploy/NAME", help="Deployment whose place it takes."
)
@click.option(
    "--workload-group", default="", metavar="NAME", help="WorkloadGroup that it belongs to."
)
@click.option("-e", "--env", "env", multiple=True, metavar="NAME=VALUE", help="A variable.")
@click.option(
    "--forward", multiple=True, metavar="[HERE:]PORT", help="Its port on this machine's loopback."
)
@flag("--watch", text="Start it again when files of this folder change.")
@flag("-d", "--detach", text="Do not stay: it runs until its Deployment is deleted.")
def run(name: str, command: tuple[str, ...], lab: str, **given: Any) -> int:
    """Put a process of this machine into the mesh, as a Deployment and Service with a sidecar."""
    from lateen.cli.lab import run as running
    from lateen.cli.lab.runplace import RunOptions

    env = dict(one.partition("=")[::2] for one in given.pop("env"))
    return running.run(lab, name, command, RunOptions(env=env, **given))


@app.command(epilog="Examples: `lateen images`; `lateen images bookinfo`; `lateen images -o json`")
@click.argument("words", nargs=-1, metavar="[WORD...]")
@options.as_json
def images(words: tuple[str, ...], output: str) -> int:
    """List the images that have a stand-in, with what each speaks on its ports."""
    from lateen.cli.lab import images as listing

    return listing.images(words, output)


@app.command(
    epilog="Examples: `lateen apply -f mesh/`; `cat vs.yaml | lateen apply -f -`; "
    "`lateen apply --dry-run -f mesh/ --fail-on warning`"
)
@options.files
@options.overlays
@options.lab
@options.home
@options.recursive
@options.strict
@click.option(
    "--dry-run",
    is_flag=False,
    flag_value="client",
    default="none",
    type=click.Choice(["none", "client", "server"]),
    help="Check only, change nothing; without a lab, the files alone. `server` asks for a lab.",
)
@click.option(
    "--fail-on",
    "threshold",
    default=None,
    type=click.Choice(["error", "warning", "info"], case_sensitive=False),
    help="End with 79 when there is a finding of this level or above.",
)
@click.option("--wait/--no-wait", default=True, help="Wait until the proxies have taken it.")
@options.timeout
def apply(
    files: tuple[str, ...],
    overlays: tuple[str, ...],
    lab: str,
    recursive: bool,
    strict: bool,
    **given: Any,
) -> int:
    """Apply manifests, and wait until every proxy concerned has acknowledged the change."""
    from lateen.cli.manifests.named import Named
    from lateen.cli.objects import changing

    if not (files or overlays):
        raise click.UsageError("Missing option '-f' / '--filename' (or '-k').")
    from lateen.cli.lab import up as starting

    named = Named(files, overlays, recursive, strict)
    settings = functools.partial(starting.settings_for, lab, named, "")
    return changing.apply(lab, named, settings=settings, **given)


@app.command(epilog="Examples: `lateen delete -f mesh/`; `lateen delete deploy/web`")
@click.argument(
    "words",
    nargs=-1,
    metavar="[KIND NAME...]",
    shell_complete=options.complete("kind_or_name"),
)
@options.files
@options.overlays
@options.lab
@options.home
@options.recursive
@flag("--ignore-not-found", text="What is not there is no error.")
@click.option("--wait/--no-wait", default=True, help="Wait until they are gone.")
def delete(
    words: tuple[str, ...],
    files: tuple[str, ...],
    overlays: tuple[str, ...],
    lab: str,
    recursive: bool,
    ignore_not_found: bool,
    **given: Any,
) -> int:
    """Delete objects, by file or by name."""
    from lateen.cli.manifests.named import Named
    from lateen.cli.objects import changing

    named = Named(files, overlays, recursive)
    return changing.delete(lab, list(words), named, ignore_missing=ignore_not_found, **given)


@app.command(
    epilog="Examples: `lateen get pods -A`; `lateen get vs helloworld-vs -o yaml`; "
    "`lateen get pods -w`; `lateen get pods -o jsonpath='{.items[*].metadata.name}'`"
)
@click.argument(
    "words",
    nargs=-1,
    required=True,
    metavar="KIND [NAME...]",
    shell_complete=options.complete("kind_or_name"),
)
@options.lab
@options.namespace
@options.everywhere
@options.selector
@options.output
@flag("--no-headers", text="Print the rows alone.")
@options.text("--sort-by", about="Path of a field, `.metadata.name`.")
@flag("--show-labels", text="Add a column of all labels.")
@options.label_columns
@flag("-w", "--watch", text="Go on with every change, until Ctrl-C.")
def get(
    words: tuple[str, ...],
    lab: str,
    namespace: str,
    everywhere: bool,
    selector: str,
    no_headers: bool,
    watch: bool,
    **given: Any,
) -> int:
    """List objects, or show one."""
    from lateen.app.lab import lab as labs
    from lateen.cli.connection import api as lab_api
    from lateen.cli.objects import getting

    api = lab_api.Api.of(labs.require(lab))
    labels = [label for text in given.pop("label_columns") for label in text.split(",")]
    shown = getting.Presentation(header=not no_headers, label_columns=labels, **given)
    asked = getting.ObjectReader(api, "" if everywhere else namespace, selector)
    return (getting.follow if watch else getting.get)(asked, list(words), shown)


@app.command(epilog="Examples: `lateen exec deploy/web -- ls /`; `lateen exec -it POD -- sh`")
@commands.target
@click.argument("command", nargs=-1, metavar="-- CMD...")
@options.lab
@options.namespace
@options.container
@flag("-i", "--stdin", text="Pass standard input on.")
@flag("-t", "--tty", "terminal", text="Give it a terminal.")
def exec(target: str, command: tuple[str, ...], lab: str, **given: Any) -> int:
    """Run a command in a container."""
    from lateen.app.lab import lab as labs
    from lateen.cli.connection import api as lab_api
    from lateen.cli.objects import workloads

    running = labs.require(lab)
    return workloads.run_in(running, lab_api.Api.of(running), target, list(command), **given)


@app.command(
    epilog="Examples: `lateen logs deploy/web -f`; `lateen logs POD -c istio-proxy`; "
    "`lateen logs -l app=web --all-containers --prefix`"
)
@click.argument(
    "target",
    required=False,
    default="",
    metavar="[POD|deploy/NAME]",
    shell_complete=options.complete("workload"),
)
@options.lab
@options.namespace
@options.selector
@options.container
@flag("--all-containers", text="Of every container of the pod.")
@flag("-f", "--follow", text="Go on with what is written later.")
@click.option(
    "--tail", default=-1, metavar="LINES", help="Last lines; -1 is all (with -l the default is 10)."
)
@click.option(
    "--since",
    default=0.0,
    metavar="TIME",
    type=options.Span(),
    help="Written in the last `5m`, or so many seconds.",
)
@flag("-p", "--previous", text="Of the run before this one.")
@flag("--timestamps", text="Put the time before each line.")
@flag("--prefix", text="Put pod and container before each line.")
def logs(target: str, lab: str, **given: Any) -> int:
    """Print the log of a container, or of all pods that labels choose."""
    from lateen.app.lab import lab as labs
    from lateen.cli.connection import api as lab_api
    from lateen.cli.objects import logs as command

    return command.logs(lab_api.Api.of(labs.require(lab)), target, command.LogOptions(**given))


@app.command(
    context_settings={"ignore_unknown_options": True},
    epilog="Examples: `lateen describe pod NAME`; `lateen describe vs -n shop`",
)
@click.argument(
    "words",
    nargs=-1,
    required=True,
    type=click.UNPROCESSED,
    metavar="KIND [NAME]...",
    shell_complete=options.complete("kind_or_name"),
)
@options.lab
def describe(words: tuple[str, ...], lab: str) -> int:
    """Show objects with their events: kubectl's own describe, on this lab."""
    from lateen.cli.objects import describe as command

    return command.describe(lab, words)


@app.command(epilog="Examples: `lateen shell`; `lateen shell -- curl 10.96.0.12`")
@click.argument("command", nargs=-1, metavar="[-- CMD...]")
@options.lab
def shell(command: tuple[str, ...], lab: str) -> int:
    """Open a shell (or run a command) inside the lab's network, beside the gateway."""
    from lateen.cli.lab import shell as inside

    return inside.shell(lab, list(command))


@app.command(epilog="Examples: `lateen version`; `lateen version -o json`")
@options.lab
@options.as_json
def version(lab: str, output: str) -> int:
    """Show the versions of Lateen, Envoy, and the Istio versions it can behave as."""
    from lateen.cli.lab import status as showing

    return showing.version(lab, output)


for shown in (*posture.COMMANDS, *judging.COMMANDS, *commands.COMMANDS):
    app.add_command(shown)
app.add_command(imaging.group)


@app.command(epilog="Examples: `lateen demo`; `lateen demo --istio 1.32 --no-keep`")
@options.text(
    "--istio",
    about="Istio version to behave as; 1.17, as the walkthrough.",
    complete=options.complete("istio"),
)
@click.option("--lab", default="demo", show_default=True, metavar="NAME", help="Which lab.")
@click.option("--keep/--no-keep", default=True, help="Leave the lab up at the end.")
def demo(istio: str, lab: str, keep: bool) -> int:
    """Run the walkthrough: four requests, four outcomes, each with its reason."""
    from lateen.cli.lab import demo as command

    return command.demo(lab, istio or "1.17", keep=keep)


@app.group(cls=Tree)
def decode() -> None:
    """Make values readable that travel encoded."""


@decode.command("peer-metadata", epilog="Example: `lateen decode peer-metadata ChQKDkFQ...`")
@click.argument("text", metavar="VALUE|-")
def decode_peer_metadata(text: str) -> int:
    """Decode an x-envoy-peer-metadata header: the header, its value, or - for standard input."""
    from lateen.cli.traffic import decode as command

    return command.peer_metadata(text)


@app.command(epilog="Example: `lateen completion bash >> ~/.bashrc`")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the script that completes commands, options and names of objects in a shell."""
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    sys.stdout.write(made(app, {}, "lateen", "_LATEEN_COMPLETE").source() + "\n")
    return 0


def main() -> None:
    """The console script."""
    from lateen.cli import exits

    exits.end_in_order()

    def run() -> int:
        try:
            result = app.main(prog_name="lateen", standalone_mode=False)
        except click.ClickException as error:
            error.show()
            return exits.USAGE
        except click.Abort:
            return exits.INTERRUPTED
        return result if isinstance(result, int) else exits.OK

    sys.exit(exits.guarded(run))


if __name__ == "__main__":
    main()
