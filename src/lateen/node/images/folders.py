"""Which folders of the host a command of the person's own needs to run. Pure but for looking at
what there is, which is handed in."""

import shlex
from collections.abc import Callable, Sequence

_EVERYWHERE = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu", "etc")
_CONTAINERS = ("dev", "proc", "sys", "run", "var")
"""What a container has of its own, and the host's may not lie over; of /tmp, what is no folder."""


def folders(
    command: Sequence[str], is_file: Callable[[str], bool], is_folder: Callable[[str], bool]
) -> tuple[str, ...]:
    """Return the folders, or files at the top of one, that the words of a command name: of a file
    the folder that it is in, for what lies beside it. Words of a shell's script count too."""
    found = set()
    for word in words(command):
        path = word.rstrip("/")
        parts = path.split("/")
        if not path.startswith("/") or ".." in parts or parts[1] in _EVERYWHERE + _CONTAINERS:
            continue
        if is_file(path):
            folder = path.rpartition("/")[0]
            if folder == "/tmp":
                continue
            found.add(path if is_large(folder) else folder)
        elif is_folder(path) and not is_large(path):
            found.add(path)
    return tuple(sorted(found))


def is_large(folder: str) -> bool:
    """Whether a folder is more than a program's own: a top-level one, or somebody's home."""
    parts = folder.split("/")
    return len(parts) <= 2 or (parts[1] == "home" and len(parts) <= 3)


def words(command: Sequence[str]) -> list[str]:
    """Return the words of a command, and those of the script that it gives a shell."""
    found = list(command)
    if len(command) > 2 and command[-2].endswith("c") and command[0].endswith("sh"):
        lexer = shlex.shlex(command[-1], posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            found += list(lexer)
        except ValueError:  # a quote that never ends: the shell will say so
            found += command[-1].split()
    return found


def of_process(
    command: Sequence[str],
    folder: str,
    real: str,
    is_file: Callable[[str], bool],
    is_folder: Callable[[str], bool],
) -> tuple[str, ...]:
    """Return the folders that a process of the person's own needs: its working folder, those that
    its words name, and what its program was installed into. `real` is the program with all links
    followed. A program in `PREFIX/bin` has its libraries below PREFIX, and one in `PREFIX/shims`
    looks there for the version that it starts."""
    found = {folder, *folders(command, is_file, is_folder)}
    for program in (command[0], real):
        above = program.rpartition("/")[0]
        prefix = above.removesuffix("/bin").removesuffix("/shims")
        if prefix != above and not is_large(prefix) and prefix.split("/")[1] not in _EVERYWHERE:
            found.discard(above)
            found.add(prefix)
    return tuple(sorted(found))
