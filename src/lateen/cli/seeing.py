"""The commands that show what travelled: curl, capture, tap, edges."""

from collections.abc import Callable
from typing import Any

import click

from lateen.cli import options
from lateen.cli.options import flag, text

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def complete(what: str) -> Completer:
    """Return the completion that `completing` has under this name, loaded when it is asked for."""

    def offered(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        from lateen.cli import completing

        found: list[str] = getattr(completing, what)(ctx.params, incomplete)
        return found

    return offered


target = click.argument("target", metavar="POD|deploy/NAME", shell_complete=complete("workload"))
json_output = text("-o", "--output", about="json: an object a line.")
tls = text("--tls", about="Only mtls, tls or none.")
status = text("--http-status", "status", about="`503` or `5+`.")
count = click.option("-c", "--count", default=0, metavar="N", help="End after so many.")


@click.command(
    epilog="Examples: `lateen curl http://istio-ingressgateway/http-mTLS`; "
    "`lateen curl --from deploy/web http://api:8080/ -o json`"
)
@click.argument("url", metavar="URL")
@options.lab
@text("-X", "--request", "method", about="Method; GET.")
@text("-H", "--header", "headers", about="`Name: value`.", many=True)
@click.option("-d", "--data", help="Body; POST if given.")
@text("--from", "start", about="POD or deploy/NAME; the host if not given.")
@click.option("--namespace", default="default", metavar="NS", help="Namespace of --from.")
@click.option("--http2/--http1.1", default=False, help="HTTP version.")
@flag("--http1.0", "http10", text="Speak HTTP/1.0.")
@flag("-k", "--insecure", text="Accept any certificate.")
@text("--resolve", about="`HOST:PORT:ADDRESS`.", many=True)
@click.option("-n", "--count", default=1, metavar="N", help="How many requests.")
@click.option("-m", "--timeout", default=15.0, help="Seconds for each.")
@flag("-f", "--fail", text="End with 1 on status 400 and up.")
@text("-o", "--output", about="json.")
@options.show_secrets
def curl(lab: str, http2: bool, http10: bool, **given: Any) -> int:
    """Send a real request and show its journey: each leg, both proxies' logs, and why."""
    from lateen.cli import curl as command

    for name in ("headers", "resolve"):
        given[name] = list(given[name])
    version = "1.0" if http10 else "2" if http2 else "1.1"
    return command.curl(lab, command.Options(http=version, **given))


@click.command(
    epilog="Examples: `lateen capture deploy/web --leg wire`; `lateen capture -w mesh.pcapng`"
)
@click.argument(
    "targets", nargs=-1, metavar="[POD|deploy/NAME...]", shell_complete=complete("workload")
)
@options.lab
@options.namespace
@click.option("--port", default=0, metavar="PORT", help="Only from or to this port.")
@click.option("--leg", default="all", help="wire, app (inside the pod) or all.")
@tls
@text("--from-pod", "sources", about="Client's name.", many=True)
@text("--to-pod", "servers", about="Server's name.", many=True)
@status
@text("-w", "--write", "file", about="A pcapng file, or -.")
@flag("--keys", text="Put TLS keys into the file (needs keyLog).")
@text("--since", about="How connections opened in the last `5m`.")
@flag("-f", "--follow", text="Go on after --since.")
@count
@click.option("--seconds", default=0.0, metavar="S", help="End after this time.")
@json_output
@click.option("--ring", default=64, metavar="MIB", help="Buffer for each pod.")
@options.show_secrets
def capture(
    targets: tuple[str, ...],
    lab: str,
    port: int,
    leg: str,
    tls: str,
    sources: tuple[str, ...],
    servers: tuple[str, ...],
    status: str,
    **given: Any,
) -> int:
    """Show what travels between pods and inside them, or write it to a file for Wireshark.

    Without a target, all pods that have a proxy are captured.
    """
    from lateen.cli import capture as command
    from lateen.observe.flowfilter import Filter

    chosen = Filter(tls=tls, sources=sources, targets=servers, status=status, port=port, leg=leg)
    return command.capture(lab, command.Options(targets=list(targets), filter=chosen, **given))


@click.command(epilog="Examples: `lateen tap --tls none`; `lateen tap --http-status 5+ -c 1`")
@options.lab
@text("--from-pod", "source", about="Client's name.")
@text("--to-pod", "target", about="Server's name.")
@tls
@status
@count
@json_output
@options.show_secrets
def tap(lab: str, **given: Any) -> int:
    """Follow finished requests across the mesh, from the logs of both proxies."""
    from lateen.cli import tap as command

    return command.tap(lab, command.Options(**given))


@click.command(epilog="Examples: `lateen edges`; `lateen edges -o wide --since 60`")
@options.lab
@text("-o", "--output", about="wide or json.")
@click.option("--since", default=0.0, metavar="S", help="Seconds to look back; 0 is all.")
def edges(lab: str, output: str, since: float) -> int:
    """Show who talked to whom, with identities, and why a connection had no TLS."""
    from lateen.cli import edges as command

    return command.edges(lab, output, since)
