"""The commands that show what travelled: curl, capture, tap, edges."""

from typing import TYPE_CHECKING, Any

import click

from lateen.cli import options
from lateen.cli.options import complete, flag, text
from lateen.cli.traffic.filters import Filtering, conditions_of, filters

if TYPE_CHECKING:
    from lateen.model.labapi.request import HttpVersion

target = click.argument("target", metavar="POD|deploy/NAME", shell_complete=complete("workload"))
json_output = text("-o", "--output", about="json: an object a line.")
tap_output = text("-o", "--output", about="json: an object a line; test: cases for `lateen test`.")
namespace = click.option(
    "-n",
    "--namespace",
    default="",
    metavar="NS",
    shell_complete=complete("end", "namespace"),
    help="Namespace; all of them if none is named.",
)
count = click.option(
    "-c",
    "--count",
    default=0,
    metavar="N",
    type=click.IntRange(min=0),
    help="End after N lines.",
)

jwt = text("--jwt", about="Token, or claims as JSON: then one of the lab's issuer.")


def _tokens(given: str) -> list[str]:
    """Return the header that carries the token of `--jwt`, if there is any."""
    if not given:
        return []
    from lateen.cli.traffic import token as tokens

    try:
        return [tokens.bearer(given)]
    except ValueError as error:
        raise click.UsageError(str(error)) from error


@click.command(
    cls=options.Example,
    epilog="Examples: `lateen token --claim team=red`; `lateen token --jwks`; "
    '`lateen curl --jwt "$(lateen token --group admin)" http://web/`',
)
@text("--sub", "subject", about="Claim sub; alice.")
@text("--iss", "issuer", about="Claim iss; issuer.lateen.dev.")
@text("--aud", "audiences", about="Claim aud.", many=True)
@text("--group", "groups", about="Of the claim groups, a list.", many=True)
@text("--claim", "claims", about="`NAME=VALUE`; VALUE as JSON, or a text.", many=True)
@click.option(
    "--ttl",
    default=24 * 3600.0,
    metavar="SECONDS",
    type=float,
    help="Until it ends; less than 0 for one that has ended. A day.",
)
@flag("--jwks", text="Print the issuer's public keys, for jwtRules[].jwks.")
def token(**given: Any) -> int:
    """Make a JSON Web Token of the lab's own issuer, or print that issuer's keys."""
    from lateen.cli.traffic import token as command
    from lateen.pki import issuer

    given["issuer"] = given["issuer"] or issuer.NAME
    return command.token(command.TokenOptions(**given))


@click.command(
    cls=options.Example,
    epilog="Examples: `lateen curl http://istio-ingressgateway/http-mTLS`; "
    "`lateen curl --from deploy/web http://api:8080/ -o json`",
)
@click.argument("url", metavar="URL")
@options.lab
@text("-X", "--request", "method", about="Method; GET.")
@flag("-I", "--head", text="HEAD.")
@text("-H", "--header", "headers", about="`Name: value`.", many=True)
@jwt
@text("-d", "--data", about="Body, `@FILE` or `@-`; POST. Several: joined by &.", many=True)
@text("--data-binary", about="The same; FILE as it is, with its line ends.", many=True)
@text("--data-raw", about="The same; @ means nothing.", many=True)
@text(
    "--from",
    "start",
    about="POD or deploy/NAME; the host if not given.",
    complete=complete("workload"),
)
@click.option(
    "--namespace",
    default="default",
    metavar="NS",
    shell_complete=complete("end", "namespace"),
    help="Namespace of --from.",
)
@click.option("--http2/--http1.1", default=False, help="HTTP version.")
@flag("--http1.0", "http10", text="Speak HTTP/1.0.")
@flag("-k", "--insecure", text="Accept any certificate.")
@text("--resolve", about="`HOST:PORT:ADDRESS`.", many=True)
@click.option(
    "-n",
    "--count",
    default=1,
    metavar="N",
    type=click.IntRange(min=1),
    help="How many requests, one after the other.",
)
@click.option(
    "-m",
    "--timeout",
    default=15.0,
    type=options.Span(positive=True),
    metavar="TIME",
    help="For each: 15s, or a number of seconds.",
)
@flag("-f", "--fail", text="End with 1 on status 400 and up.")
@flag("--as-test", "as_test", text="Print a case for `lateen test`.")
@text("-o", "--output", about="json, or mermaid: a sequence diagram.")
@options.show_secrets
def curl(lab: str, http2: bool, http10: bool, **given: Any) -> int:
    """Send a real request and show its journey: each leg, both proxies' logs, and why."""
    from lateen.cli.traffic import curl as command

    given["headers"] = [*given["headers"], *_tokens(given.pop("jwt"))]
    for name in ("headers", "resolve", "data", "data_binary", "data_raw"):
        given[name] = list(given[name])
    version: HttpVersion = "1.0" if http10 else "2" if http2 else "1.1"
    return command.curl(lab, command.CurlOptions(http=version, **given))


@click.command(
    cls=options.Example,
    epilog="Examples: `lateen explain -f mesh/ outside http://istio-ingressgateway/cart`; "
    "`lateen explain deploy/web http://api:8080/ -o json`",
)
@click.argument("words", nargs=-1, metavar="[FROM] URL")
@options.lab
@options.ground
@options.files
@options.recursive
@options.proxies
@text("--istio", about="Version to behave as, with -f.", complete=complete("istio"))
@text("-X", "--request", "method", about="Method; GET.")
@text("-H", "--header", "headers", about="`Name: value`.", many=True)
@jwt
@text("--from", "start", about="FROM.", complete=complete("workload"))
@click.option(
    "-n",
    "--namespace",
    default="default",
    metavar="NS",
    shell_complete=complete("end", "namespace"),
    help="Namespace of FROM.",
)
@click.option("--http2/--http1.1", default=False, help="HTTP version.")
@flag("--http1.0", "http10", text="HTTP/1.0.")
@flag("-k", "--insecure", text="The client accepts any certificate.")
@text("--sni", about="TLS name, if another than the URL's.")
@click.option("--data-size", default=0, metavar="BYTES", type=click.IntRange(min=0), help="Body.")
@click.option(
    "-m",
    "--timeout",
    default=15.0,
    type=options.Span(positive=True),
    metavar="TIME",
    help="How long the client waits.",
)
@flag("--live", text="Send it, too, and compare (in a lab).")
@text("--log", about="Say what a line of a proxy's access log means, or its flags and details.")
@text("-o", "--output", about="json.")
def explain(words: tuple[str, ...], lab: str, http2: bool, http10: bool, **given: Any) -> int:
    """Say what a request will do, and which line decides it, without sending it.

    FROM is deploy/NAME, pod/NAME, sa/NAME, or outside for a client of a gateway. With -f it is told
    from manifests alone, else of the lab.
    """
    from lateen.cli.lab.rehearsed import Ground
    from lateen.cli.manifests.named import Named
    from lateen.cli.traffic import explain as command, requests

    if line := given.pop("log"):
        return command.log(line)
    if given["live"] and given["files"]:
        raise click.UsageError("--live sends it in a lab: leave -f out")
    if not words or len(words) > 2 or (len(words) == 2 and given["start"]):
        raise click.UsageError("write it as FROM URL, or --from FROM URL")
    start = given.pop("start") or ("" if len(words) == 1 else words[0])
    named = Named(given.pop("files"), recursive=given.pop("recursive"))
    istio, output = given.pop("istio"), given.pop("output")
    ground = Ground(**{k: given.pop(k) for k in ("base", "context", "kubeconfig")})
    version: HttpVersion = "1.0" if http10 else "2" if http2 else "1.1"
    given["headers"] = [*given["headers"], *_tokens(given.pop("jwt"))]
    live, proxies = given.pop("live"), given.pop("proxies")
    asked = requests.RequestWords(url=words[-1], start=start, http=version, **given)
    chosen = command.ExplainOptions(
        asked=asked,
        named=named,
        ground=ground,
        istio=istio,
        output=output,
        proxies=proxies,
        live=live,
    )
    return command.explain(lab, chosen)


@click.command(
    cls=Filtering,
    epilog="Examples: `lateen capture deploy/web --leg wire`; `lateen capture -w mesh.pcapng`; "
    "`lateen capture --from-namespace shop --to-service db --not --tls mtls`; "
    "`lateen capture --http-status 5+ -c 1`",
)
@click.argument(
    "targets", nargs=-1, metavar="[POD|deploy/NAME]...", shell_complete=complete("workload")
)
@options.lab
@namespace
@options.everywhere
@filters
@text("--leg", about="wire, app (inside the pod) or all.", many=True, complete=complete("leg"))
@text("-w", "--write", "file", about="A pcapng file, or -.")
@flag("--keys", text="Put TLS keys into the file (needs keyLog).")
@text("--since", about="How connections opened in the last `5m`.")
@flag("-f", "--follow", text="Go on after --since.")
@count
@click.option(
    "--seconds",
    default=0.0,
    metavar="TIME",
    type=options.Span(),
    help="End after this time: 1m30s, or a number of seconds.",
)
@json_output
@click.option(
    "--ring",
    default=64,
    metavar="MIB",
    type=click.IntRange(2, 1024),
    help="Buffer for each pod, 2 to 1024.",
)
@options.show_secrets
def capture(
    targets: tuple[str, ...], lab: str, namespace: str, everywhere: bool, **given: Any
) -> int:
    """Show what travels between pods and inside them, or write it to a file for Wireshark.

    Without a target, all pods that have a proxy are captured. A filter that is given twice shows
    either; different filters must all hold.
    """
    from lateen.cli.traffic import capture as command

    conditions = conditions_of(given)
    where = "" if everywhere else namespace
    chosen = command.CaptureOptions(
        targets=list(targets), namespace=where, conditions=conditions, **given
    )
    return command.capture(lab, chosen)


@click.command(
    cls=Filtering,
    epilog="Examples: `lateen tap --tls none`; `lateen tap --http-status 5+ -c 1`; "
    "`lateen tap -n shop --not --from-pod host`",
)
@flag("--every-request", text="Show all, also when there are hundreds a second.")
@options.lab
@namespace
@options.everywhere
@filters
@count
@tap_output
@options.show_secrets
def tap(lab: str, namespace: str, everywhere: bool, **given: Any) -> int:
    """Follow finished requests across the mesh, from the logs of both proxies.

    With a namespace, those that come from it or go to it. An identity is one that a certificate
    proved. Of hundreds of requests a second a share is shown, and every one that failed.
    """
    from lateen.cli.traffic import tap as command

    conditions = conditions_of(given)
    where = "" if everywhere else namespace
    return command.tap(lab, command.TapOptions(namespace=where, conditions=conditions, **given))


@click.command(
    cls=options.Example,
    epilog="Examples: `lateen edges`; `lateen edges -n shop -o wide --since 5m`",
)
@options.lab
@namespace
@options.everywhere
@text("-o", "--output", about="wide, json or mermaid (a graph for a merge request).")
@text("--since", about="Look back only `5m`, or a number of seconds.")
def edges(lab: str, namespace: str, everywhere: bool, output: str, since: str) -> int:
    """Show who talked to whom, with identities, and why a connection had no TLS.

    With a namespace, what comes from it or goes to it.
    """
    from lateen.cli.traffic import edges as command

    return command.edges(lab, output, since, "" if everywhere else namespace)


@click.command(
    cls=options.Example,
    epilog="Examples: `lateen page`; `lateen page --view flows`; `lateen page --stop`; "
    "`lateen page --save lab.html`",
)
@options.lab
@click.option(
    "--view",
    default="mesh",
    type=click.Choice(["mesh", "request", "flows", "posture", "objects"]),
    help="What it opens with; mesh.",
)
@flag("--no-browser", "quiet", text="Print the address only.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Answer to this Host too: for a tunnel that renames. Until --stop; may be repeated.",
)
@flag("--stop", text="Close the page, and void what opened it.")
@text("--save", "file", about="Write the present state to one FILE.html, and open nothing.")
def page(lab: str, view: str, quiet: bool, hosts: tuple[str, ...], stop: bool, file: str) -> int:
    """Open the lab's page in the browser: the mesh with what travelled, requests, flows, objects.

    It is served on 127.0.0.1 until --stop or `lateen down`. The address that is printed holds a
    code that is good once, and for 30 seconds.
    """
    from lateen.cli.lab import page as command

    if file:
        return command.save(lab, file)
    return command.stop(lab) if stop else command.page(lab, view, quiet=quiet, hosts=hosts)


COMMANDS = (curl, token, explain, capture, tap, edges, page)
"""In the order in which they are told of."""
