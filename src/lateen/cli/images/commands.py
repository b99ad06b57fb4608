"""The commands of `lateen image`."""

import click

from lateen.cli import options


@click.group("image")
def group() -> None:
    """Load, pull and list images: what is here goes before the catalogue's stand-ins."""


@group.command(
    cls=options.Example,
    epilog="Examples: `docker save app:1 | lateen image load -`; "
    "`lateen image load build/oci-layout --as app:1`; `lateen image load app:1`",
)
@click.argument("file", metavar="FILE|FOLDER|NAME|-")
@click.option("--as", "name", default="", metavar="NAME", help="How the image is called here.")
def load(file: str, name: str) -> int:
    """Bring images from an archive or OCI layout, or from a local Docker or Podman by name."""
    from lateen.cli.images import load

    return load.load(file, name)


@group.command(
    cls=options.Example,
    epilog="Examples: `lateen image pull nginx:1.27`; `lateen image pull 127.0.0.1:5000/app:1`",
)
@click.argument("name")
def pull(name: str) -> int:
    """Bring an image from its registry, with the credentials of Docker's or Podman's login."""
    from lateen.cli.images import load

    return load.pull(name)


@group.command(cls=options.Example, epilog="Example: `lateen image ls`")
@options.as_json
def ls(output: str) -> int:
    """List the images that were loaded or pulled."""
    from lateen.cli.images import ls

    return ls.ls(output)


@group.command(cls=options.Example, epilog="Example: `lateen image inspect nginx:1.27`")
@click.argument("name")
def inspect(name: str) -> int:
    """Print an image's configuration and layers as JSON."""
    from lateen.cli.images import ls

    return ls.inspect(name)


@group.command(
    cls=options.Example, epilog="Examples: `lateen image rm app:1`; `lateen image rm --unused`"
)
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--unused", is_flag=True, help="Every image that no lab's pod uses.")
def rm(names: tuple[str, ...], unused: bool) -> int:
    """Remove images, and what no other image shares with them."""
    from lateen.cli.images import rm

    return rm.rm(names, unused)
