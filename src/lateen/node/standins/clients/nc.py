"""netcat: connects, listens, or looks whether a port is open.

python -m lateen.node.standins.clients.nc [-lknvzu] [-w SECONDS] [-p PORT] [HOST] [PORT]
"""

import os
import select
import socket
import sys
from typing import NamedTuple

_CHUNK = 65536
_USAGE = "usage: nc [-hklnuvzN] [-p port] [-q seconds] [-w seconds] [host] [port]\n"


class NcWords(NamedTuple):
    """A command line, read."""

    flags: frozenset[str]
    wait: float | None
    quit_after: float | None
    words: tuple[str, ...]
    local: int


def read(arguments: list[str]) -> NcWords:
    """Read a command line. Raises ValueError."""
    flags: set[str] = set()
    values: dict[str, str] = {}
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if not word.startswith("-") or word == "-":
            rest.append(word)
            continue
        letters = word[1:]
        for at, letter in enumerate(letters):
            if letter in "wpqis":
                values[letter] = letters[at + 1 :] or next(words, "")
                break
            if letter not in "lknvzuN4hCde":
                raise ValueError(f"nc: invalid option -- '{letter}'")
            flags.add(letter)
    wait = float(values["w"]) if "w" in values else None
    after = float(values["q"]) if "q" in values else None
    return NcWords(frozenset(flags), wait, after, tuple(rest), int(values.get("p") or 0))


def _say(words: NcWords, text: str) -> None:
    if "v" in words.flags:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _ports(text: str) -> range:
    first, dash, last = text.partition("-")
    return range(int(first), int(last if dash else first) + 1)


def _connect(words: NcWords) -> int:
    host, ports = words.words[0], _ports(words.words[1])
    kind = socket.SOCK_DGRAM if "u" in words.flags else socket.SOCK_STREAM
    code = 1
    for port in ports:
        try:
            place = socket.getaddrinfo(host, port, socket.AF_INET, kind)[0][4]
            made = socket.socket(socket.AF_INET, kind)
            made.settimeout(words.wait)
            made.connect(place)
        except socket.gaierror as error:
            sys.stderr.write(f"nc: getaddrinfo for host {host!r} port {port}: {error.strerror}\n")
            return 1
        except OSError as error:
            why = "timed out" if isinstance(error, TimeoutError) else error.strerror
            protocol = "udp" if "u" in words.flags else "tcp"
            _say(words, f"nc: connect to {host} port {port} ({protocol}) failed: {why}")
            continue
        with made:
            protocol = "udp" if "u" in words.flags else "tcp"
            _say(words, f"Connection to {host} {port} port [{protocol}/*] succeeded!")
            code = 0
            if "z" not in words.flags:
                made.settimeout(None)
                _carry(made, words)
    return code


def _listen(words: NcWords) -> int:
    port = words.local or int(words.words[-1])
    with socket.create_server(("", port)) as listener:
        _say(words, f"Listening on 0.0.0.0 {port}")
        while True:
            made, peer = listener.accept()
            with made:
                _say(words, f"Connection received on {peer[0]} {peer[1]}")
                _carry(made, words)
            if "k" not in words.flags:
                return 0


def _carry(made: socket.socket, words: NcWords) -> None:
    """Carry bytes both ways until the other side is done, or nothing comes for `-w` seconds. The
    end of the input is told to the other side, as BusyBox's netcat does."""
    sources: list[int] = [made.fileno()] + ([] if "d" in words.flags else [0])
    wait = words.wait
    while made.fileno() in sources:
        ready, _, _ = select.select(sources, [], [], wait)
        if not ready:
            return
        for source in sorted(ready):  # the input first: what was typed is sent though they are done
            try:
                data = os.read(source, _CHUNK)
            except OSError:
                return
            if source != 0:
                if not data:
                    return
                os.write(1, data)
            elif data:
                made.sendall(data)
            else:
                sources.remove(0)
                made.shutdown(socket.SHUT_WR)
                wait = words.quit_after if words.quit_after is not None else wait


def main(arguments: list[str]) -> int:
    """Run a command line; return netcat's exit code."""
    try:
        words = read(arguments)
        listening = "l" in words.flags
        if "h" in words.flags or (not listening and len(words.words) != 2):
            raise ValueError(_USAGE.strip())
        return _listen(words) if listening else _connect(words)
    except (ValueError, IndexError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"nc: {error.strerror}\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
