"""Which values of a run are secret: they are masked wherever something of its environment is kept."""

from __future__ import annotations

from seatrial.api.run import IntegrationRunSpec
from seatrial.api.scope import Scope
from seatrial.environment import code, services
from seatrial.masking.forms import forms
from seatrial.masking.secret_values import secret_values
from seatrial.settings import Settings


def masks(scope: Scope, spec: IntegrationRunSpec, settings: Settings) -> tuple[str, ...]:
    """All secrets of an attempt, in all their forms."""
    return forms(derived(scope, spec, settings) | own(spec))


def derived(scope: Scope, spec: IntegrationRunSpec, settings: Settings) -> set[str]:
    """The credentials that are derived for the services of an attempt, and for its bundle."""
    bundle = {code.token(scope, settings.key, spec.code)} if spec.code else set()
    return bundle | {
        credential.value(scope, settings.environment_key)
        for backing in services.backings(spec.services, settings).values()
        for credential in backing.credentials
        if credential.fixed is None  # it stands in the spec, and may be a word such as `postgres`
    }


def own(spec: IntegrationRunSpec) -> set[str]:
    """What the run's own variables, and the headers of its readiness, hold under secret names."""
    lists = [spec.env, spec.tests.env, *(m.env for m in spec.migrations), *(a.env for a in spec.apps.values())]
    lists += [service.env or () for service in spec.services.values()]
    asked = [service.ready for service in spec.services.values()] + [app.ready for app in spec.apps.values()]
    requests = [ready.http_get for ready in asked if ready and ready.http_get]
    headers = [(each.name.replace("-", "_"), each.value) for request in requests for each in request.http_headers]
    variables = [(each.name, each.value) for variables in lists for each in variables]
    return secret_values({"name": name, "value": value} for name, value in (*variables, *headers))
