"""`lateen down`."""

from lateen.app.lab import lab as labs
from lateen.cli import exits


def down(lab: str, *, keep: bool, every: bool) -> int:
    """End one lab, or every lab of this user."""
    names = labs.every() if every else [lab]
    for name in names:
        if labs.stop(name, keep=keep):
            exits.complain(f"lab {name} is down{', its state is kept' if keep else ''}")
        elif not every:
            exits.complain(f"lab {name} is not up: nothing to do")
    return exits.OK
