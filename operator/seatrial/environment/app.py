"""Apps: the parts of the system under test, one Deployment each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from seatrial.api import labels
from seatrial.api.run import IntegrationRunSpec
from seatrial.api.scope import Scope
from seatrial.api.system import App
from seatrial.environment import code, env, forwards, gates, network, objects, pod, resources, shared
from seatrial.environment.backing import Backing
from seatrial.environment.custom import ready_port
from seatrial.settings import Settings


def workload(
    scope: Scope,
    spec: IntegrationRunSpec,
    settings: Settings,
    backings: Mapping[str, Backing],
    name: str,
    app: App,
) -> objects.Manifest:
    """The Deployment. Its processes start once all services can be used and all migrations are done.

    With a command of its own it starts under the launcher. Without one the image's entry point is not known, so an
    init container waits instead.
    """
    container, init = _containers(scope, spec, settings, backings, name, app)
    return objects.manifest(
        scope,
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
                scope,
                settings,
                name,
                labels.Role.APP,
                (container,),
                init=init,
                restart="Always",
                one_node=shared.one_node(spec.shared_volume),
                low_ports=app.forwards and forwards.needs_low_ports(forwards.of(spec, backings)),
            ),
        },
    )


def _containers(
    scope: Scope, spec: IntegrationRunSpec, settings: Settings, backings: Mapping[str, Backing], name: str, app: App
) -> tuple[pod.Container, tuple[pod.Container, ...]]:
    """The app's container, and the init containers before it."""
    timeout = spec.timeouts.environment
    before = gates.of_services(backings) + gates.of_migrations(spec.migrations) + gates.of_apps(spec.apps, app.after)
    bundle = spec.code if app.code else None
    overlay = code.overlay(scope, bundle, app.image, settings)
    container = pod.Container(
        name=name,
        image=app.image,
        resources=resources.resources(resources.APP, app.resources),
        args=app.args,
        working_dir=app.working_dir,
        env=env.container(scope, spec, backings, app.env, shared_volume=True),
        ports=tuple(gates.app_ports(app).values()),
        readiness=_readiness(app),
        mounts=(
            pod.TMP,
            *pod.USERS,
            *((pod.tools(settings),) if app.command else ()),
            *overlay.mounts,
            *shared.mounts(spec.shared_volume),
        ),
    )
    init = tuple(overlay.init)
    if app.command:
        working_dir, chdir = code.entered(code.working_dir(app.working_dir, bundle), bundle)
        listens = forwards.launcher_flags(forwards.of(spec, backings), name) if app.forwards else []
        launched = replace(
            container,
            command=gates.launch(before, timeout, [*overlay.flags, *listens, *chdir], app.command),
            working_dir=working_dir,
            env=[*container.env, *overlay.env],
        )
        return launched, init
    if before or overlay.flags:
        variables = [*env.entries(env.contract(scope, spec, backings)), *overlay.env]
        init = (*init, gates.wait_container(settings, before, timeout, variables, overlay.flags, overlay.mounts))
    return container, init


def network_service(scope: Scope, name: str, app: App) -> objects.Manifest:
    """The DNS name of an app."""
    ports = {key: (port, port) for key, port in gates.app_ports(app).items()}
    return network.service(scope, name, labels.Role.APP, ports, only_ready=_several(app))


def _several(app: App) -> bool:
    """Whether the kubelet must say which replicas can be used: a gate asks one, the tests might reach another."""
    return app.replicas > 1


def _readiness(app: App) -> objects.Manifest | None:
    main = gates.main_port(app)
    if main is None:
        return None
    if not _several(app):
        return pod.tcp_probe(main)
    how_asked = app.ready and app.ready.asked
    named = how_asked.port if how_asked else None
    port = main if named is None else ready_port(named, app.ports or {})
    how: objects.Manifest = {"tcpSocket": {"port": port}}
    if app.ready and app.ready.http_get:
        given = app.ready.http_get.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        how = {"httpGet": {**given, "path": app.ready.http_get.path, "port": port}}
    elif app.ready and app.ready.grpc:
        how = {"grpc": {"port": port, "service": app.ready.grpc.service}}
    return {**how, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 3}
