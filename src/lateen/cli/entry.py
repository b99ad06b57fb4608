"""The console script. Loading the command tree takes longer than anything else before the first
message, so Ctrl-C during it must be as quiet as later; and a command that starts a lab begins with
what takes longest, before it has read its own arguments."""

import os
import signal
import sys

_INTERRUPT = signal.getsignal(signal.SIGINT)
if _INTERRUPT is signal.default_int_handler:
    # Until `main` can answer it, Ctrl-C ends the process without a word, not with a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
# `./run` holds Ctrl-C back while the interpreter loads, which would answer with a traceback.
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

_STARTING = ("up", "demo")
_ASKING = ("-h", "--help")


def main(*, by_module: bool = False) -> None:
    """Run the command line; `by_module` tells that it was started by `python -m`."""
    try:
        signal.signal(signal.SIGINT, _INTERRUPT)
        from lateen.base import interpreter

        interpreter.leave_current_folder(sys.path, os.environ, by_module)
        _open_standard()
        words = sys.argv[1:]
        if words and words[0] in _STARTING and not set(words).intersection(_ASKING):
            _start()
        else:
            _run()
    except KeyboardInterrupt:
        sys.exit(130)


def _open_standard() -> None:
    """Put nothing in the place of standard streams that are closed (`>&-`): the next file that is
    opened would get their number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8")
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8")
    from lateen.cli.terminal import safe_stream

    sys.stdout, sys.stderr = safe_stream.guard(sys.stdout), safe_stream.guard(sys.stderr)


def _start() -> None:
    from lateen.app.lab import starting

    if not os.path.exists("/proc/self/fd"):
        sys.exit("error: /proc is not mounted here: a lab needs it. Type: mount -t proc proc /proc")
    starting.begin()
    try:
        _run()
    finally:
        starting.dismiss()


def _run() -> None:
    from lateen.cli import main as tree

    tree.main()


if __name__ == "__main__":
    main(by_module=True)
