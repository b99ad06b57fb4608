"""python -m lateen.node.standins.pilotagent request METHOD PATH [BODY] | wait | version

What Istio's documentation asks of the agent beside a proxy: requests to Envoy's admin port, and
waiting until the proxy is ready. There is no agent here, so each command does that itself.
"""

import http.client
import sys
import time

_ADMIN_PORT = 15000
_READY = (15021, "/healthz/ready")
_USAGE = """\
Usage:
  pilot-agent request <method> <path> [<body>] [--debug-port <port>]
  pilot-agent wait [--timeoutSeconds <seconds>]
  pilot-agent version
"""


class UsageError(Exception):
    """The command line cannot be understood."""


def main(arguments: list[str]) -> int:
    """Run one command."""
    words, flags = list[str](), dict[str, str]()
    rest = list(arguments)
    try:
        while rest:
            word = rest.pop(0)
            if not word.startswith("--"):
                words.append(word)
                continue
            name, equals, value = word[2:].partition("=")
            if not equals and not rest:
                raise UsageError(f"flag needs an argument: --{name}")
            flags[name] = value if equals else rest.pop(0)
        return _run(words, flags)
    except UsageError as error:
        sys.stderr.write(f"Error: {error}\n{_USAGE}")
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"Error: {error}\n")
    return 1


def _run(words: list[str], flags: dict[str, str]) -> int:
    match words:
        case ["request", method, path, *more] if len(more) < 2:
            port = _number(flags.pop("debug-port", ""), _ADMIN_PORT)
            _used(flags)
            return _request(method, path, more[0] if more else "", port)
        case ["wait"]:
            seconds = _number(flags.pop("timeoutSeconds", ""), 60)
            _used(flags)
            return _wait(seconds)
        case ["version"]:
            sys.stdout.write("Lateen's stand-in for pilot-agent\n")
            return 0
        case []:
            raise UsageError("a command is missing")
        case _:
            raise UsageError(f"'{' '.join(words)}' is not understood")


def _used(flags: dict[str, str]) -> None:
    for name in flags:
        raise UsageError(f"unknown flag: --{name}")


def _number(text: str, otherwise: int) -> int:
    if text and not text.isdigit():
        raise UsageError(f"'{text}' is not a number")
    return int(text) if text else otherwise


def _request(method: str, path: str, body: str, port: int) -> int:
    status, text = _ask(method.upper(), f"/{path.lstrip('/')}", port, body)
    sys.stdout.buffer.write(text)
    sys.stdout.flush()
    if status >= 400:
        sys.stderr.write(f"Error: received non-success status code {status}\n")
        return 1
    return 0


def _ask(method: str, path: str, port: int, body: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body or None)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _wait(seconds: int) -> int:
    port, path = _READY
    until = time.monotonic() + seconds
    while True:
        try:
            if _ask("GET", path, port)[0] == http.client.OK:
                return 0
        except OSError:
            pass
        if time.monotonic() >= until:
            sys.stderr.write(f"Error: timeout waiting for Envoy proxy to become ready {seconds}s\n")
            return 1
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
