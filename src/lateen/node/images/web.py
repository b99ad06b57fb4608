"""Starts the built-in web server in place of an image's own program. Pure."""

from lateen.node.images import speech
from lateen.node.images.flags import address, parse_flags
from lateen.node.images.spec import ImageContext, Launch, Program
from lateen.node.images.speech import AppPort

MODULE = "lateen.node.standins.web"


def server(
    kind: str,
    ports: tuple[int, ...],
    *,
    tls_ports: tuple[int, ...] = (),
    port_variables: tuple[str, ...] = (),
    port_flags: tuple[str, ...] = (),
    options: tuple[str, ...] = (),
    variables: tuple[tuple[str, str], ...] = (),
) -> Program:
    """Describe a program that serves `kind` on its ports.

    `port_variables` and `port_flags` are where the real program takes its first port from, and
    the address that it binds, where one is written before the port. `options` are flags, and
    `variables` pairs of environment variable and option, whose values are passed on as
    `--option name=value`.
    """

    def start(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
        flags = parse_flags(words)
        chosen = [ctx.env[name] for name in port_variables if ctx.env.get(name)]
        chosen += [flags[name] for name in port_flags if name in flags]
        bind, first = address(chosen[-1]) if chosen else ("", None)
        plain = ports if first is None else (first, *ports[1:])
        listens = tuple(speech.plaintext(kind, port, bind or "0.0.0.0") for port in plain)
        listens += tuple(speech.secured(kind, port, bind or "0.0.0.0") for port in tls_ports)
        argv = [*ctx.python, "-m", MODULE, "--kind", kind, *listening(listens)]
        if tls_ports:
            argv += ["--certificate", certificate_path(ctx, kind)]
        for name in options:
            if name in flags:
                argv += ["--option", f"{name}={flags[name]}"]
        for variable, name in variables:
            if ctx.env.get(variable):
                argv += ["--option", f"{name}={ctx.env[variable]}"]
        return Launch(tuple(argv), listens=listens)

    return start


def listening(ports: tuple[AppPort, ...]) -> list[str]:
    """Return the stand-in's flags for these ports. What speaks most ways there are is left out:
    HTTP/1.1 alone without TLS, and the usual two protocols over it."""
    words: list[str] = []
    for each in ports:
        words += ["--tls-port" if each.tls else "--port", str(each.port)]
    if any("2" in each.http for each in ports if not each.tls):
        words += ["--h2c", "yes"]
    for each in ports:
        if each.tls:
            words += ["--alpn", ",".join(each.alpn)]
            words += ["--strict-alpn", "yes"] if each.strict_alpn else []
            break
    if ports and ports[0].bind != "0.0.0.0":
        words += ["--bind", ports[0].bind]
    return words


def certificate_path(ctx: ImageContext, kind: str) -> str:
    """Return where the certificate that belongs to an image is kept: one for the whole lab."""
    return f"{ctx.cache}/{kind}.pem"
