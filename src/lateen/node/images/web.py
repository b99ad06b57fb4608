"""Starts the built-in web server in place of an image's own program. Pure."""

import re

from lateen.node.images.spec import ImageContext, Launch, Program

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

    `port_variables` and `port_flags` are where the real program takes its first port from;
    `options` are flags, and `variables` pairs of environment variable and option, whose values
    are passed on as `--option name=value`.
    """

    def start(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
        flags = parse_flags(words)
        chosen = [ctx.env[name] for name in port_variables if ctx.env.get(name)]
        chosen += [flags[name] for name in port_flags if name in flags]
        first = _port(chosen[-1]) if chosen else None
        plain = ports if first is None else (first, *ports[1:])
        argv = [*ctx.python, "-m", MODULE, "--kind", kind]
        for port in plain:
            argv += ["--port", str(port)]
        for port in tls_ports:
            argv += ["--tls-port", str(port)]
        if tls_ports:
            argv += ["--certificate", certificate_path(ctx, kind)]
        for name in options:
            if name in flags:
                argv += ["--option", f"{name}={flags[name]}"]
        for variable, name in variables:
            if ctx.env.get(variable):
                argv += ["--option", f"{name}={ctx.env[variable]}"]
        return Launch(tuple(argv))

    return start


def certificate_path(ctx: ImageContext, kind: str) -> str:
    """Return where the certificate that belongs to an image is kept: one for the whole lab."""
    return f"{ctx.cache}/{kind}.pem"


def parse_flags(words: tuple[str, ...]) -> dict[str, str]:
    """Read `-p 80`, `--port=80` and `-port 80`; names lose their dashes, the last one wins."""
    flags: dict[str, str] = {}
    for index, word in enumerate(words):
        if not word.startswith("-") or word.strip("-") == "":
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if equals:
            flags[name] = value
        elif index + 1 < len(words) and not words[index + 1].startswith("-"):
            flags[name] = words[index + 1]
        else:
            flags[name] = "true"
    return flags


def _port(text: str) -> int | None:
    """Read the port of `8080`, `:8080` or `0.0.0.0:8080`; None if there is none.

    `tcp://10.96.0.9:80` is none: a Service named `http` puts that into HTTP_PORT."""
    if "://" in text:
        return None
    match = re.search(r"(?:^|:)(\d{1,5})$", text.strip())
    return int(match[1]) if match and 0 < int(match[1]) < 65536 else None
