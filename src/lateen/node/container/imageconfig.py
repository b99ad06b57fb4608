"""What a container of an image runs, as whom and where: the image's word and the manifest's. Pure.

The rules are Kubernetes' for command and args, and a container runtime's for user and home.
"""

from collections.abc import Mapping
from typing import NamedTuple

from lateen.model.kube.core.container import Container
from lateen.model.labapi.images import ContainerImage
from lateen.node.container import environment

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class User(NamedTuple):
    """Who a container runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"
    named: bool = False
    """Whether the image names it by a word, whose number only its own /etc/passwd knows."""


class UnknownUser(ValueError):
    """The image has no account of the name that its configuration gives."""


def words(image: ContainerImage, container: Container, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command line: `command` replaces ENTRYPOINT and drops CMD, `args` replaces CMD."""
    command = environment.expand_all(container.command, env)
    args = environment.expand_all(container.args, env)
    if command:
        return (*command, *args)
    return (*image.entrypoint, *(args or image.cmd))


def variables(image: ContainerImage, own: Mapping[str, str]) -> dict[str, str]:
    """Return the image's variables with the container's on top."""
    return {"PATH": PATH, **image.env, **own}


def image_user(image: ContainerImage) -> User:
    """Return the user that an image names: `name`, `uid`, either with `:group`.

    Raises UnknownUser.
    """
    name, _, group = image.user.partition(":")
    account = _account(image.passwd, name) if name else ("root", 0, 0, "/root")
    if account is None:
        if not name.isdigit():
            raise UnknownUser(f"unable to find user {name}: no matching entries in passwd file")
        account = ("", int(name), 0, "/")
    login, uid, gid, home = account
    if group:
        gid = _group(image.group, group)
        return User(uid, gid, (), home, not name.isdigit())
    more = _groups(image.group, login) if login else ()
    return User(uid, gid, more, home, bool(name) and not name.isdigit())


def account_of(image: ContainerImage, uid: int) -> User:
    """Return the user of a number, with the group and home that the image's accounts give it."""
    account = _account(image.passwd, str(uid))
    if account is None:
        return User(uid, 0)
    return User(uid, account[2], (), account[3])


def _account(passwd: str, name: str) -> tuple[str, int, int, str] | None:
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) < 6 or not (fields[2].isdigit() and fields[3].isdigit()):
            continue
        if name in (fields[0], fields[2]):
            return fields[0], int(fields[2]), int(fields[3]), fields[5] or "/"
    return None


def _group(text: str, name: str) -> int:
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and fields[0] == name and fields[2].isdigit():
            return int(fields[2])
    if name.isdigit():
        return int(name)
    raise UnknownUser(f"unable to find group {name}: no matching entries in group file")


def _groups(text: str, login: str) -> tuple[int, ...]:
    found = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and fields[2].isdigit() and login in fields[3].split(","):
            found.append(int(fields[2]))
    return tuple(found)
