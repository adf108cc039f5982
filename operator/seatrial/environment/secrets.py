"""Which values of a run are secret: they are masked wherever something of its environment is kept."""

from __future__ import annotations

from seatrial.api.run import IntegrationRun
from seatrial.environment import services
from seatrial.evidence.masking import secret_values
from seatrial.settings import Settings


def of_run(run: IntegrationRun, settings: Settings) -> set[str]:
    """The derived credentials, and what the run's own variables hold under secret names."""
    spec = run.spec
    derived = {
        credential.value(run.scope, settings.key)
        for backing in services.backings(spec.services, settings).values()
        for credential in backing.credentials
        if credential.fixed is None  # it stands in the spec, and may be a word such as `postgres`
    }
    own = [spec.env, spec.tests.env, *(m.env for m in spec.migrations), *(a.env for a in spec.apps.values())]
    own += [service.env or () for service in spec.services.values()]
    told = secret_values({"name": each.name, "value": each.value} for variables in own for each in variables)
    return derived | told
