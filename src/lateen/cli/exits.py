"""Exit codes, and the one place where an error becomes words on stderr."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

from lateen.app.lab.lab import LabError
from lateen.app.lab.settings import SettingsError
from lateen.cli.terminal import screen
from lateen.model.client import ApiError

OK = 0
FAILED = 1
UNKNOWN = 2
USAGE = 64
UNPARSABLE = 65
FINDINGS = 79
INTERRUPTED = 130

TABLE = (
    (OK, "done"),
    (FAILED, "it could not be done, or not in time; `curl`: no answer"),
    (UNKNOWN, "a prediction depends on what is not known"),
    (USAGE, "the command line is wrong"),
    (UNPARSABLE, "the input is wrong: manifests, lateen.yaml, what kustomize refuses"),
    (FINDINGS, "findings at or above a threshold, where an option asks for it"),
    (INTERRUPTED, "Ctrl-C; another request to end is 128 and the number of its signal"),
)
"""Every exit code with its meaning, for all commands; `exec` and `shell` end as what they ran."""

ASKED_TO_END = (signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """The system asks this command to end: by SIGTERM, or with its terminal by SIGHUP."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


def end_in_order() -> None:
    """Have a request to end raise `Ended`, so that what a command began is undone, as by Ctrl-C: a
    lab half started, a terminal without echo. What is ignored (nohup) stays so."""

    def end(number: int, _frame: object) -> None:
        raise Ended(number)

    for number in ASKED_TO_END:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Have cleaning up not cut short by a second Ctrl-C or the like."""
    numbers = (signal.SIGINT, *ASKED_TO_END)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def output_closed() -> int:
    """Nobody reads the output any more (`| head`), or no disk takes it: print no more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return OK


def complain(message: str) -> None:
    """Write one message to stderr, as kubectl words it."""
    screen.say(message.rstrip("\n"), sys.stderr)


def from_server(error: ApiError, where: str = "") -> str:
    """Return a refusal in kubectl's words; `where` (`web.yaml:3: `) goes before the message."""
    reason = f" ({error.reason})" if error.reason else ""
    return f"Error from server{reason}: {where}{error.message}"


def guarded(command: Callable[[], int | None]) -> int:
    """Run a command and return its exit code; whatever it raises becomes a message.

    A traceback never reaches the person; LATEEN_DEBUG=1 shows it to who asks for it.
    """
    try:
        code = command() or OK
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except Ended as ended:
        return ended.code
    except BrokenPipeError:
        return output_closed()
    except LabError as error:
        complain(f"error: {error}")
        return error.code
    except SettingsError as error:
        complain(f"error: {error}")
        return UNPARSABLE
    except ApiError as error:
        complain(from_server(error))
        return FAILED
    except OSError as error:
        try:
            sys.stdout.flush()
        except OSError:
            output_closed()  # or Python would complain once more at the very end
        where = f"{error.filename}: " if error.filename else ""
        complain(f"error: {where}{error.strerror or error}")
        return FAILED
    except Exception as error:
        if os.environ.get("LATEEN_DEBUG"):
            raise
        complain(
            f"error: {type(error).__name__}: {error}\n"
            "This is a fault in Lateen. LATEEN_DEBUG=1 shows where; please report it"
        )
        return FAILED
