"""Image names as people write them. Pure."""

import re

import msgspec

_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")
_NAME = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


class InvalidImageNameError(ValueError):
    """The text is no image reference; the kubelet's reason for it is InvalidImageName."""


class Reference(msgspec.Struct, frozen=True):
    """A parsed image name: `docker.io/library/nginx:1.27@sha256:…` in its parts."""

    registry: str
    repository: str
    tag: str
    digest: str

    @property
    def familiar(self) -> str:
        """The name without tag, as Docker shows it: `nginx`, `traefik/whoami`, `ghcr.io/a/b`."""
        if self.registry != "docker.io":
            return f"{self.registry}/{self.repository}"
        return self.repository.removeprefix("library/")

    @property
    def full(self) -> str:
        """The name in full, as container statuses show it: `docker.io/library/nginx:latest`."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse(image: str) -> Reference:
    """Take an image name apart. Raises InvalidImageNameError."""
    rest, _, digest = image.partition("@")
    head, slash, last = rest.rpartition("/")
    name, colon, tag = last.partition(":")
    path = f"{head}{slash}{name}"
    first, _, remainder = path.partition("/")
    registry = "docker.io"
    if remainder and ("." in first or ":" in first or first == "localhost"):
        registry, path = first, remainder
    if registry in _DOCKER_HUB:
        registry = "docker.io"
        path = path if "/" in path else f"library/{path}"
    wrong = not _NAME.fullmatch(path) or (colon and not _TAG.fullmatch(tag))
    if wrong or ("@" in image and ":" not in digest):
        raise InvalidImageNameError(
            f"couldn't parse image name {image!r}: expected [registry/]name[:tag][@digest] in"
            " lower case"
        )
    return Reference(registry, path, tag or ("" if digest else "latest"), digest)
