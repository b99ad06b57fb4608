"""`lateen up`: start a lab, apply manifests, wait until every proxy has taken its configuration.

The lab's processes take longer to load than this command does, so they are started before the
modules that read and send manifests are imported; manifests that are refused take them down again.
"""

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from lateen.app.lab import lab as labs, settings as lab_settings
from lateen.app.lab.lab import LabError, Running
from lateen.app.lab.settings import LabSettings, SettingsError
from lateen.cli import exits
from lateen.cli.manifests.named import Named
from lateen.cli.screen import findings
from lateen.cli.terminal import screen

if TYPE_CHECKING:
    from lateen.cli.connection import api as lab_api


def settings_for(lab: str, named: Named, istio: str, *, api_port: int = 0) -> LabSettings:
    """Return the lab's settings: the defaults, then lateen.yaml, then the command line.

    Raises SettingsError for a version in lateen.yaml that is not modelled, LabError (usage) for one
    on the command line.
    """
    from lateen.compiler.frontend import versions  # `apply`, which says what this says, needs none

    folder = next(iter(named.folders), None)
    base = LabSettings(
        lab=lab,
        istio=versions.DEFAULT,
        user=os.getuid(),
        directory=str(folder.resolve()) if folder else "",
        api_port=api_port,
    )
    if folder and (file := folder / lab_settings.CONFIG_NAME).exists():
        base = lab_settings.from_file(base, lab_settings.read_file(file))
    if istio:
        base = lab_settings.with_istio(base, istio)
    try:
        versions.features(base.istio)
    except ValueError as error:
        if istio:
            raise LabError(f"--istio: {error}", exits.USAGE) from error
        raise SettingsError(str(error)) from error
    return base


def bring_up(
    settings: LabSettings,
    named: Named,
    *,
    timeout: float,
    progress: screen.Progress,
    quiet: bool = False,
) -> "tuple[Running, lab_api.Api, dict[str, Any]]":
    """Start a lab and apply manifests; returns it with its status once it is settled.

    Whatever goes wrong before the lab is up (a manifest that is refused, an error, Ctrl-C, the
    time limit of the API server) takes the lab down again; what `down --keep` kept is kept.
    """
    deadline = time.monotonic() + timeout
    kept = labs.kept(settings.lab)
    running = labs.start(settings)
    try:
        progress.show("starting the lab")
        from lateen.cli.manifests import files as manifest_files
        from lateen.cli.objects import applying, waiting

        loaded = manifest_files.load(named)
        if isinstance(loaded, manifest_files.RefusedManifests):
            raise applying.refusal(loaded)
        progress.clear()
        for warning in loaded.warnings:
            exits.complain(warning)
        if named and not loaded.items:
            exits.complain(f"no manifests in {named}: the lab starts empty")
        batches = applying.prepared(loaded.items)
        with waiting.starting(running, lambda: labs.find(settings.lab) is not None) as alive:
            api = waiting.await_server(running, deadline, alive)
            revision = waiting.apply_and_say(api, batches, progress, quiet=quiet)
            status = waiting.await_settled(api, revision, deadline, progress.show)
    except BaseException:
        progress.clear()
        with contextlib.suppress(LabError), exits.uninterrupted():
            labs.stop(settings.lab, keep=kept)
        raise
    return running, api, status


def report(status: dict[str, Any], running: Running, progress: screen.Progress) -> int:
    """Say how it went and what to try next; returns the exit code."""
    from lateen.cli.connection import api as lab_api
    from lateen.cli.objects import logs, waiting

    settled = waiting.settled(status, 0)
    if settled:
        progress.done(f"lab {running.paths.lab} is up: {waiting.summary(status)}")
    else:
        progress.clear()
        exits.complain(f"the mesh is not complete: {waiting.summary(status)}")
    last_lines = logs.last_lines(lab_api.Api.of(running))
    findings.complain(status, last_lines, complete=settled)
    sys.stdout.write(f"\nexport KUBECONFIG={running.paths.kubeconfig}\n")
    for gateway in status["gateways"]:
        screen.say(f"gateway {gateway['name']}: {' '.join(gateway['urls'])}")
    screen.say("try: lateen status; lateen get pods -A; lateen down")
    sys.stdout.flush()
    return exits.OK if settled else exits.FAILED


def up(
    named: Named,
    *,
    lab: str,
    istio: str,
    foreground: bool,
    watch: bool,
    timeout: float,
    api_port: int = 0,
    trust: bool = False,
) -> int:
    """The command."""
    if watch and not named.watchable:
        raise LabError("--watch needs files or folders: standard input is read once", exits.USAGE)
    settings = settings_for(lab, named, istio, api_port=api_port)
    if settings.opens_host:
        from lateen.cli.lab import trust as trusting

        trusting.require(settings, given=trust)
    progress = screen.Progress()
    running, _, status = bring_up(settings, named, timeout=timeout, progress=progress)
    code = report(status, running, progress)
    if not (foreground or watch):
        return code
    try:
        if watch:
            from lateen.cli.lab import live

            live.Live(lab, named, timeout=timeout).run()
        else:
            stay(lab)
    except (KeyboardInterrupt, exits.Ended):
        if foreground:
            with exits.uninterrupted():
                labs.stop(lab)
            exits.complain(f"lab {lab} is down")
    return code


def stay(lab: str) -> None:
    """Wait until the lab ends."""
    exits.complain("in the foreground: Ctrl-C ends the lab")
    while labs.find(lab):
        time.sleep(0.2)
