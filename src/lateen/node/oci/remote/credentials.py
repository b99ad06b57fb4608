"""Who to be at a registry: Docker's config.json, its helpers, and pull secrets."""

import base64
import binascii
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from lateen.node.oci.errors import ImageError

_HUB = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")
_HELPER_SECONDS = 30


class Credential(msgspec.Struct, frozen=True):
    """A user's name and password, or a token in place of both."""

    user: str = ""
    password: str = ""
    token: str = ""
    """What a token server takes in exchange for a token (`identitytoken`)."""


class Credentials(msgspec.Struct, frozen=True):
    """What was found, the nearest first: parsed configurations, in Docker's form."""

    configs: tuple[Mapping[str, Any], ...] = ()

    def of(self, registry: str, repository: str) -> tuple[Credential, ...]:
        """Return what may be tried at a registry: entries for a longer path first, as the kubelet
        takes them. Helpers are asked only here. Raises ImageError when one does not answer."""
        found: list[tuple[int, Credential]] = []
        for config in self.configs:
            for place, raw in (config.get("auths") or {}).items():
                fit = _fit(place, registry, repository)
                if fit and (one := _read(raw)):
                    found.append((fit, one))
            if helper := _helper(config, registry):
                found += [(1, one) for one in _ask(helper, registry)]
        return tuple(one for _, one in sorted(found, key=lambda pair: -pair[0]))


def _fit(place: str, registry: str, repository: str) -> int:
    """Return how well an entry's key fits: 0 not at all, else the length of what it names."""
    if registry == "docker.io" and place in _HUB:
        return 1
    name = place.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, path = name.partition("/")
    if host != registry:
        return 0
    if path in ("v1", "v2"):
        path = ""
    fits = not path or repository == path or repository.startswith(path + "/")
    return 1 + len(path) if fits else 0


def _read(raw: Any) -> Credential | None:
    if not isinstance(raw, dict):
        return None
    token = str(raw.get("identitytoken") or "")
    user, password = str(raw.get("username") or ""), str(raw.get("password") or "")
    if raw.get("auth"):
        try:
            text = base64.b64decode(str(raw["auth"])).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        user, _, password = text.partition(":")
    return Credential(user, password.rstrip("\0"), token) if token or user else None


def _helper(config: Mapping[str, Any], registry: str) -> str:
    named = config.get("credHelpers") or {}
    places = _HUB if registry == "docker.io" else (registry,)
    found = next((named[place] for place in places if place in named), config.get("credsStore"))
    return str(found or "")


def _ask(helper: str, registry: str) -> Iterator[Credential]:
    place = _HUB[0] if registry == "docker.io" else registry
    program = f"docker-credential-{helper}"
    if "/" in program:  # it would be looked up from the current folder, not among programs
        raise ImageError(f"{program}: the name of a credential helper has no slash")
    try:
        done = subprocess.run(
            [program, "get"], input=place, text=True, capture_output=True, timeout=_HELPER_SECONDS
        )
    except FileNotFoundError:
        raise ImageError(f"{program} is not installed, which config.json names") from None
    except subprocess.TimeoutExpired:
        raise ImageError(f"{program} did not answer in {_HELPER_SECONDS} s") from None
    if done.returncode:
        return  # it has none for this registry, which is no fault
    try:
        raw = msgspec.json.decode(done.stdout)
    except msgspec.DecodeError:
        raise ImageError(f"{program} answered with something else than JSON") from None
    user, secret = str(raw.get("Username") or ""), str(raw.get("Secret") or "")
    if secret:
        yield Credential("", "", secret) if user == "<token>" else Credential(user, secret)


def of_user(environment: Mapping[str, str], home: Path) -> Credentials:
    """Return what the person's own tools have stored: DOCKER_CONFIG or ~/.docker/config.json,
    Podman's auth.json. A file that cannot be read counts as none."""
    folder = environment.get("DOCKER_CONFIG")
    places = [Path(folder) if folder else home / ".docker"]
    files = [place / "config.json" for place in places]
    if named := environment.get("REGISTRY_AUTH_FILE"):
        files.append(Path(named))
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        files.append(Path(runtime) / "containers" / "auth.json")
    files.append(home / ".config" / "containers" / "auth.json")
    return Credentials(tuple(filter(None, map(_file, files))))


def _file(path: Path) -> Mapping[str, Any]:
    try:
        return parse(path.read_bytes())
    except (OSError, ImageError):
        return {}


def parse(data: bytes) -> Mapping[str, Any]:
    """Read a config.json, or what a Secret of type kubernetes.io/dockerconfigjson holds. Raises
    ImageError."""
    try:
        raw = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise ImageError(f"the credentials are no JSON: {error}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("auths") or {}, dict):
        raise ImageError("the credentials are not in the form of Docker's config.json")
    return raw


def here() -> Credentials:
    """Return the credentials of the person who runs this process."""
    try:
        home = Path.home()
    except RuntimeError:
        home = Path("/nonexistent")
    return of_user(os.environ, home)
