"""The filters of capture and tap as options, and `--not`, which turns the next one round."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from lateen.cli.options import Command, Example, complete, text

if TYPE_CHECKING:
    from lateen.observe.packets.flowfilter import Condition

_TURNED = "\0"
"""Begins a value that `--not` stood before: no argument of a process can hold it."""
_ENDS = {
    "pod": "Pod, `[NAMESPACE/]NAME` or its beginning; `host`.",
    "service": "Service, `[NAMESPACE/]NAME`, of the pod.",
    "label": "Label selector of the pod, `app=web,tier!=db`.",
    "namespace": "Namespace of the pod.",
    "identity": "`NAMESPACE/SERVICEACCOUNT`, or a SPIFFE id.",
}
_SIDES = {"from": "Client", "to": "Server"}
_FIELDS = (*(f"{side}-{kind}" for side in _SIDES for kind in _ENDS), "tls", "http-status", "port")


class Filtering(Example):
    """A command with filters. `--not` stands before the one it turns round, as in hubble."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Hand each `--not` on to the value that it is about."""
        return super().parse_args(ctx, turned(args, lenient=ctx.resilient_parsing))


def turned(args: Sequence[str], *, lenient: bool = False) -> list[str]:
    """Return the arguments with the value after each `--not` marked. Pure.

    Raises click.UsageError where no filter follows, unless `lenient`, as while completing.
    """
    found: list[str] = []
    waiting = iter(args)
    for word in waiting:
        if word == "--":
            return [*found, word, *waiting]
        if word != "--not":
            found.append(word)
            continue
        name, equals, value = next(waiting, "").partition("=")
        if not equals:
            value = next(waiting, "")
        if name.removeprefix("--") in (*_FIELDS, "leg") and value:
            found += [name, _TURNED + value]
        elif not lenient:
            raise click.UsageError(
                "--not stands before the filter it turns round: --not --tls mtls"
            )
    return found


def filters(command: Command) -> Command:
    """Add the options that capture and tap have in common."""
    made = [
        text(
            f"--{side}-{kind}",
            about=f"{who}: {about}",
            many=True,
            complete=complete("end", kind),
        )
        for side, who in _SIDES.items()
        for kind, about in _ENDS.items()
    ]
    made += [
        text("--tls", about="Only mtls, tls or none.", many=True, complete=complete("tls")),
        text("--http-status", about="`503`, `50+` or `5+`.", many=True),
        text("--port", about="From or to this port.", many=True),
        click.option("--not", "_not", is_flag=True, help="Take what the next filter leaves out."),
    ]
    for option in reversed(made):
        command = option(command)
    return command


def conditions_of(given: dict[str, Any]) -> "list[Condition]":
    """Take the filters out of a command's parameters."""
    from lateen.observe.packets.flowfilter import Condition

    given.pop("_not")
    return [
        Condition(field, value.removeprefix(_TURNED), value.startswith(_TURNED))
        for field in (*_FIELDS, "leg")
        for value in given.pop(field.replace("-", "_"), ())
    ]
