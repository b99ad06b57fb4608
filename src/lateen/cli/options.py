"""Options that many commands share."""

from typing import Annotated

import typer

Lab = Annotated[
    str, typer.Option("--lab", envvar="LATEEN_LAB", help="Which lab.", show_default=True)
]
Namespace = Annotated[str, typer.Option("-n", "--namespace", help="Namespace.")]
AllNamespaces = Annotated[bool, typer.Option("-A", "--all-namespaces", help="All namespaces.")]
Selector = Annotated[str, typer.Option("-l", "--selector", help="Label selector, `app=web`.")]
Output = Annotated[str, typer.Option("-o", "--output", help="json, yaml, wide or name.")]
Container = Annotated[str, typer.Option("-c", "--container", help="Container of the pod.")]
Files = Annotated[
    list[str], typer.Option("-f", "--filename", help="File, folder, or - for standard input.")
]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait.")]

DEFAULT_LAB = "default"
