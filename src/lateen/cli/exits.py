"""Exit codes, and the one place where an error becomes words on stderr."""

import os
import sys
from collections.abc import Callable

from lateen.app.lab import LabError
from lateen.app.settings import SettingsError
from lateen.model.client import ApiError

OK = 0
FAILED = 1
USAGE = 64
UNPARSABLE = 65
INTERRUPTED = 130


def complain(message: str) -> None:
    """Write one message to stderr, as kubectl words it."""
    sys.stderr.write(message.rstrip("\n") + "\n")


def from_server(error: ApiError, where: str = "") -> str:
    """Return a refusal in kubectl's words; `where` (`web.yaml:3: `) goes before the message."""
    reason = f" ({error.reason})" if error.reason else ""
    return f"Error from server{reason}: {where}{error.message}"


def guarded(command: Callable[[], int | None]) -> int:
    """Run a command and return its exit code; whatever it raises becomes a message.

    A traceback never reaches the person; LATEEN_DEBUG=1 shows it to who asks for it.
    """
    try:
        return command() or OK
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return OK
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
