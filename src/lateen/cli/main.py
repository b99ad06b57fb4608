"""The command tree. Each command imports what it needs when it runs, so that none waits for
another's libraries."""

import sys
from typing import Annotated

import typer

from lateen.cli.options import (
    DEFAULT_LAB,
    AllNamespaces,
    Container,
    Files,
    Lab,
    Namespace,
    Output,
    Selector,
    Timeout,
)

app = typer.Typer(
    name="lateen",
    help="An Istio service mesh on one machine: manifests in, real Envoy and real mutual TLS out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _complete_kind(ctx: typer.Context, incomplete: str) -> list[str]:
    from lateen.cli import completing

    return completing.kind_or_name(ctx.params, incomplete)


def _complete_workload(ctx: typer.Context, incomplete: str) -> list[str]:
    from lateen.cli import completing

    return completing.workload(ctx.params, incomplete)


def _end(code: int) -> None:
    raise typer.Exit(code)


@app.command(
    epilog="Examples: `lateen up examples/walkthrough --istio 1.17`; `cat *.yaml | lateen up -`"
)
def up(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="DIR…", help="Files, folders or -.")
    ] = None,
    lab: Lab = DEFAULT_LAB,
    istio: Annotated[str, typer.Option(help="Istio version to behave as, `1.17`.")] = "",
    foreground: Annotated[bool, typer.Option(help="Stay; Ctrl-C ends the lab.")] = False,
    timeout: Timeout = 60.0,
    api_port: Annotated[int, typer.Option(help="Port of the API server; 0 picks one.")] = 0,
) -> None:
    """Start a lab and apply manifests to it."""
    from lateen.cli import up as command

    _end(
        command.up(
            names or [],
            lab=lab,
            istio=istio,
            foreground=foreground,
            timeout=timeout,
            api_port=api_port,
        )
    )


@app.command(epilog="Examples: `lateen down`; `lateen down --lab other`")
def down(
    lab: Lab = DEFAULT_LAB,
    keep: Annotated[bool, typer.Option(help="Keep objects and keys for the next up.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Every lab of this user.")] = False,
) -> None:
    """End a lab and remove everything it made."""
    from lateen.cli import ending

    _end(ending.down(lab, keep=keep, every=every))


@app.command(epilog="Examples: `lateen status`; `lateen status -o json`")
def status(lab: Lab = DEFAULT_LAB, output: Output = "") -> None:
    """Show processes, pods, proxies with their configuration state, and diagnostics."""
    from lateen.cli import showing

    _end(showing.status(lab, output))


@app.command(epilog="Examples: `lateen apply -f mesh/`; `cat vs.yaml | lateen apply -f -`")
def apply(
    files: Files,
    lab: Lab = DEFAULT_LAB,
    recursive: Annotated[bool, typer.Option("-R", "--recursive")] = False,
    dry_run: Annotated[bool, typer.Option(help="Check only, change nothing.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until the proxies have taken it.")] = True,
    timeout: Timeout = 60.0,
) -> None:
    """Apply manifests, and wait until every proxy concerned has acknowledged the change."""
    from lateen.cli import changing

    _end(
        changing.apply(lab, files, recursive=recursive, dry_run=dry_run, wait=wait, timeout=timeout)
    )


@app.command(epilog="Examples: `lateen delete -f mesh/`; `lateen delete deploy/web`")
def delete(
    words: Annotated[list[str] | None, typer.Argument(metavar="KIND NAME…")] = None,
    files: Annotated[list[str] | None, typer.Option("-f", "--filename")] = None,
    lab: Lab = DEFAULT_LAB,
    namespace: Namespace = "default",
    ignore_not_found: Annotated[bool, typer.Option()] = False,
    wait: Annotated[bool, typer.Option(help="Wait until they are gone.")] = True,
) -> None:
    """Delete objects, by file or by name."""
    from lateen.cli import changing

    _end(
        changing.delete(
            lab,
            words or [],
            files or [],
            namespace=namespace,
            ignore_missing=ignore_not_found,
            wait=wait,
        )
    )


@app.command(epilog="Examples: `lateen get pods -A`; `lateen get vs helloworld-vs -o yaml`")
def get(
    words: Annotated[
        list[str], typer.Argument(metavar="KIND [NAME…]", autocompletion=_complete_kind)
    ],
    lab: Lab = DEFAULT_LAB,
    namespace: Namespace = "default",
    everywhere: AllNamespaces = False,
    selector: Selector = "",
    output: Output = "",
    no_headers: Annotated[bool, typer.Option()] = False,
) -> None:
    """List objects, or show one."""
    from lateen.app import lab as labs
    from lateen.cli import api as lab_api
    from lateen.cli import getting

    api = lab_api.Api.of(labs.require(lab))
    _end(
        getting.get(
            api,
            words,
            namespace=namespace,
            everywhere=everywhere,
            selector=selector,
            output=output,
            header=not no_headers,
        )
    )


@app.command(
    epilog="Examples: `lateen exec deploy/web -- ls /`; `lateen exec -it POD -- sh`",
    context_settings={"allow_interspersed_args": True},
)
def exec(
    target: Annotated[
        str, typer.Argument(metavar="POD|deploy/NAME", autocompletion=_complete_workload)
    ],
    command: Annotated[list[str] | None, typer.Argument(metavar="-- CMD…")] = None,
    lab: Lab = DEFAULT_LAB,
    namespace: Namespace = "default",
    container: Container = "",
    stdin: Annotated[bool, typer.Option("-i", "--stdin")] = False,
    terminal: Annotated[bool, typer.Option("-t", "--tty")] = False,
) -> None:
    """Run a command in a container."""
    from lateen.app import lab as labs
    from lateen.cli import api as lab_api
    from lateen.cli import workloads

    running = labs.require(lab)
    _end(
        workloads.run_in(
            running,
            lab_api.Api.of(running),
            target,
            command or [],
            namespace=namespace,
            container=container,
            stdin=stdin,
            terminal=terminal,
        )
    )


@app.command(epilog="Examples: `lateen logs deploy/web -f`; `lateen logs POD -c istio-proxy`")
def logs(
    target: Annotated[
        str, typer.Argument(metavar="POD|deploy/NAME", autocompletion=_complete_workload)
    ],
    lab: Lab = DEFAULT_LAB,
    namespace: Namespace = "default",
    container: Container = "",
    follow: Annotated[bool, typer.Option("-f", "--follow")] = False,
    tail: Annotated[int, typer.Option(help="Last lines; -1 is all.")] = -1,
    previous: Annotated[bool, typer.Option("-p", "--previous")] = False,
    timestamps: Annotated[bool, typer.Option()] = False,
) -> None:
    """Print a container's log."""
    from lateen.app import lab as labs
    from lateen.cli import api as lab_api
    from lateen.cli import workloads

    _end(
        workloads.logs(
            lab_api.Api.of(labs.require(lab)),
            target,
            namespace=namespace,
            container=container,
            follow=follow,
            tail=tail,
            previous=previous,
            timestamps=timestamps,
        )
    )


@app.command(epilog="Examples: `lateen shell`; `lateen shell -- curl 10.96.0.12`")
def shell(
    command: Annotated[list[str] | None, typer.Argument(metavar="[-- CMD…]")] = None,
    lab: Lab = DEFAULT_LAB,
) -> None:
    """Open a shell (or run a command) inside the lab's network, beside the gateway."""
    from lateen.cli import inside

    _end(inside.shell(lab, command or []))


@app.command()
def version(lab: Lab = DEFAULT_LAB, output: Output = "") -> None:
    """Show the versions of Lateen, Envoy, and the Istio versions it can behave as."""
    from lateen.cli import showing

    _end(showing.version(lab, output))


@app.command(
    epilog="Examples: `lateen curl http://istio-ingressgateway/http-mTLS`; "
    "`lateen curl --from deploy/web http://api:8080/ -o json`"
)
def curl(
    url: Annotated[str, typer.Argument(metavar="URL")],
    lab: Lab = DEFAULT_LAB,
    method: Annotated[str, typer.Option("-X", "--request", help="Method; GET.")] = "",
    header: Annotated[
        list[str] | None, typer.Option("-H", "--header", help="`Name: value`.")
    ] = None,
    data: Annotated[str | None, typer.Option("-d", "--data", help="Body; POST if given.")] = None,
    start: Annotated[
        str, typer.Option("--from", help="POD or deploy/NAME; the host if not given.")
    ] = "",
    namespace: Annotated[str, typer.Option("--namespace", help="Namespace of --from.")] = "default",
    http2: Annotated[bool, typer.Option("--http2/--http1.1", help="HTTP version.")] = False,
    http10: Annotated[bool, typer.Option("--http1.0", help="Speak HTTP/1.0.")] = False,
    insecure: Annotated[
        bool, typer.Option("-k", "--insecure", help="Accept any certificate.")
    ] = False,
    resolve: Annotated[list[str] | None, typer.Option(help="`HOST:PORT:ADDRESS`.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", help="How many requests.")] = 1,
    timeout: Annotated[float, typer.Option("-m", "--timeout", help="Seconds for each.")] = 15.0,
    fail: Annotated[
        bool, typer.Option("-f", "--fail", help="End with 1 on status 400 and up.")
    ] = False,
    output: Annotated[str, typer.Option("-o", "--output", help="json.")] = "",
    show_secrets: Annotated[bool, typer.Option(help="Do not hide Authorization, Cookie.")] = False,
) -> None:
    """Send a real request and show its journey: each leg, both proxies' logs, and why."""
    from lateen.cli import curl as command

    options = command.Options(
        url=url,
        method=method,
        headers=header or [],
        data=data,
        start=start,
        namespace=namespace,
        http="1.0" if http10 else "2" if http2 else "1.1",
        insecure=insecure,
        resolve=resolve or [],
        count=count,
        timeout=timeout,
        fail=fail,
        output=output,
        show_secrets=show_secrets,
    )
    _end(command.curl(lab, options))


@app.command(
    epilog="Examples: `lateen capture deploy/web --leg wire`; `lateen capture -w mesh.pcapng`"
)
def capture(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[POD|deploy/NAME…]",
            help="All pods with a proxy, if none.",
            autocompletion=_complete_workload,
        ),
    ] = None,
    lab: Lab = DEFAULT_LAB,
    namespace: Namespace = "default",
    port: Annotated[int, typer.Option(help="Only from or to this port.")] = 0,
    leg: Annotated[str, typer.Option(help="wire, app (inside the pod) or all.")] = "all",
    tls: Annotated[str, typer.Option(help="Only mtls, tls or none.")] = "",
    source: Annotated[list[str] | None, typer.Option("--from-pod", help="Client's name.")] = None,
    target: Annotated[list[str] | None, typer.Option("--to-pod", help="Server's name.")] = None,
    status: Annotated[str, typer.Option("--http-status", help="`503` or `5+`.")] = "",
    file: Annotated[str, typer.Option("-w", "--write", help="A pcapng file, or -.")] = "",
    keys: Annotated[bool, typer.Option(help="Put TLS keys into the file (needs keyLog).")] = False,
    since: Annotated[str, typer.Option(help="How connections opened in the last `5m`.")] = "",
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on after --since.")] = False,
    count: Annotated[int, typer.Option("-c", "--count", help="End after so many.")] = 0,
    seconds: Annotated[float, typer.Option("--seconds", help="End after this time.")] = 0.0,
    output: Annotated[str, typer.Option("-o", "--output", help="json: an object a line.")] = "",
    ring: Annotated[int, typer.Option(help="Buffer for each pod, MiB.")] = 64,
    show_secrets: Annotated[bool, typer.Option(help="Do not hide Authorization, Cookie.")] = False,
) -> None:
    """Show what travels between pods and inside them, or write it to a file for Wireshark."""
    from lateen.cli import capture as command
    from lateen.observe.flowlines import Filter

    chosen = Filter(
        tls=tls,
        sources=tuple(source or ()),
        targets=tuple(target or ()),
        status=status,
        port=port,
        leg=leg,
    )
    options = command.Options(
        targets=targets or [],
        namespace=namespace,
        filter=chosen,
        file=file,
        follow=follow,
        count=count,
        since=since,
        seconds=seconds,
        keys=keys,
        output=output,
        show_secrets=show_secrets,
        ring=ring,
    )
    _end(command.capture(lab, options))


@app.command(epilog="Examples: `lateen tap --tls none`; `lateen tap --http-status 5+ -c 1`")
def tap(
    lab: Lab = DEFAULT_LAB,
    source: Annotated[str, typer.Option("--from-pod", help="Client's name.")] = "",
    target: Annotated[str, typer.Option("--to-pod", help="Server's name.")] = "",
    tls: Annotated[str, typer.Option(help="Only mtls, tls or none.")] = "",
    status: Annotated[str, typer.Option("--http-status", help="`503` or `5+`.")] = "",
    count: Annotated[int, typer.Option("-c", "--count", help="End after so many.")] = 0,
    output: Annotated[str, typer.Option("-o", "--output", help="json: an object a line.")] = "",
    show_secrets: Annotated[bool, typer.Option(help="Do not hide query parameters.")] = False,
) -> None:
    """Follow finished requests across the mesh, from the logs of both proxies."""
    from lateen.cli import tap as command

    options = command.Options(
        source=source,
        target=target,
        tls=tls,
        status=status,
        count=count,
        output=output,
        show_secrets=show_secrets,
    )
    _end(command.tap(lab, options))


@app.command(epilog="Examples: `lateen edges`; `lateen edges -o wide --since 60`")
def edges(
    lab: Lab = DEFAULT_LAB,
    output: Annotated[str, typer.Option("-o", "--output", help="wide or json.")] = "",
    since: Annotated[float, typer.Option(help="Seconds to look back; 0 is all.")] = 0.0,
) -> None:
    """Show who talked to whom, with identities, and why a connection had no TLS."""
    from lateen.cli import edges as command

    _end(command.edges(lab, output, since))


decoding = typer.Typer(help="Make values readable that travel encoded.", no_args_is_help=True)
app.add_typer(decoding, name="decode")


@decoding.command("peer-metadata", epilog="Example: `lateen decode peer-metadata ChQKDkFQ…`")
def decode_peer_metadata(
    text: Annotated[str, typer.Argument(metavar="VALUE|-", help="The header, or its value.")],
) -> None:
    """Decode an x-envoy-peer-metadata header."""
    from lateen.cli import decode as command

    _end(command.peer_metadata(text))


@app.command()
def demo(
    istio: Annotated[str, typer.Option(help="Istio version to behave as.")] = "1.17",
    lab: Lab = "demo",
    keep: Annotated[bool, typer.Option(help="Leave the lab up at the end.")] = True,
) -> None:
    """Run the walkthrough: four requests, four outcomes, each with its reason."""
    from lateen.cli import demo as command

    _end(command.demo(lab, istio, keep=keep))


def main() -> None:
    """The console script."""
    from lateen.cli import exits

    def run() -> int:
        try:
            result = app(standalone_mode=False)
        except typer.TyperException as error:
            # The public class does not declare `show`; whatever parsing raises has it.
            error.show()  # type: ignore[attr-defined]  # typer vendors its base
            return exits.USAGE
        except typer.Abort:
            return exits.INTERRUPTED
        return result if isinstance(result, int) else exits.OK

    sys.exit(exits.guarded(run))


if __name__ == "__main__":
    main()
