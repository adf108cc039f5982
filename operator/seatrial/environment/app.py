"""Apps: the parts of the system under test, one Deployment each."""

from __future__ import annotations

from collections.abc import Mapping

from seatrial.api import labels
from seatrial.api.run import IntegrationRun
from seatrial.api.system import App
from seatrial.environment import env, gates, meta, network, pod, resources, shared
from seatrial.environment.backing import Backing
from seatrial.settings import Settings


def workload(
    run: IntegrationRun, settings: Settings, backings: Mapping[str, Backing], name: str, app: App
) -> meta.Manifest:
    """The Deployment. Its processes start once all services can be used and all migrations are done.

    With a command of its own it starts under the launcher. Without one the image's entry point is not known, so an
    init container waits instead.
    """
    before = gates.of_services(backings) + gates.of_migrations(run)
    volumes = shared.mounts(run)
    container = pod.Container(
        name=name,
        image=app.image,
        resources=resources.resources(resources.APP, app.resources),
        command=gates.launch(run, before, (), app.command) if app.command else (),
        args=app.args,
        working_dir=app.working_dir,
        env=env.container(run, backings, app.env, shared_volume=True),
        ports=tuple(gates.app_ports(app).values()),
        readiness=_readiness(app),
        mounts=(pod.TMP, *((pod.tools(settings),) if app.command else ()), *volumes),
    )
    contract = env.entries(env.announcements(run, backings))
    init = (gates.wait_container(run, settings, before, contract),) if before and not app.command else ()
    return meta.manifest(
        run,
        "apps/v1",
        "Deployment",
        name,
        name,
        labels.Role.APP,
        spec={
            "replicas": app.replicas,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": {labels.COMPONENT: name}},
            "template": pod.template(
                run,
                settings,
                name,
                labels.Role.APP,
                (container,),
                init=init,
                restart="Always",
                one_node=shared.one_node(run),
            ),
        },
    )


def network_service(run: IntegrationRun, name: str, app: App) -> meta.Manifest:
    """The DNS name of an app."""
    ports = {key: (port, port) for key, port in gates.app_ports(app).items()}
    return network.service(run, name, labels.Role.APP, ports, only_ready=_several(app))


def _several(app: App) -> bool:
    """Whether the kubelet must say which replicas can be used: a gate asks one of them, the tests might reach another."""
    return app.replicas > 1


def _readiness(app: App) -> meta.Manifest | None:
    if app.port is None:
        return None
    if not _several(app):
        return pod.tcp_probe(app.port)
    ports = gates.app_ports(app)
    port = ports.get("ready", app.port)
    how: meta.Manifest = {"tcpSocket": {"port": port}}
    if app.ready and app.ready.http:
        how = {"httpGet": {"path": app.ready.http.path, "port": port}}
    elif app.ready and app.ready.grpc:
        how = {"grpc": {"port": port, "service": app.ready.grpc.service}}
    return {**how, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 3}
