"""Asks before a folder's lateen.yaml opens something of the host to containers."""

import shlex
import sys

from lateen.app.lab import consent, settings as lab_settings
from lateen.app.lab.lab import LabError
from lateen.app.lab.settings import LabSettings
from lateen.cli import exits
from lateen.model.messages import diagnostics

CODE = "LTN0070"


def require(settings: LabSettings, *, given: bool) -> None:
    """Go on only if nothing of the host is opened, or the person agreed: once, by `given`, which is
    the option --trust, or now. Raises LabError with the command to type where nobody can be asked.
    """
    opening = consent.opening(settings)
    if not opening or consent.is_given(key := consent.digest(settings)):
        return
    file = f"{settings.directory}/{lab_settings.CONFIG_NAME}"
    if not given:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise LabError(refusal(file, settings.directory, opening), exits.UNPARSABLE)
        if not _agreed(file, opening):
            raise LabError(f"{file}: nothing was opened, and no lab was started")
    try:
        consent.give(key)
    except OSError as error:
        raise LabError(f"cannot remember what was agreed to: {error}") from error


def refusal(file: str, directory: str, opening: consent.Opening) -> str:
    """Return why a lab is not started, and the command that starts it."""
    row = diagnostics.CATALOGUE[CODE]
    what = row.template.format(file=file, opened="; ".join(opening.lines))
    return f"{what} [{CODE}]\n{row.remedy.format(directory=shlex.quote(directory))}"


def _agreed(file: str, opening: consent.Opening) -> bool:
    lines = "".join(f"  {line}\n" for line in opening.lines)
    sys.stderr.write(
        f"{file} opens to containers, of this machine and by it:\n{lines}Agree? [y/N] "
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
