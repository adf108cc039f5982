"""From a run to the Kubernetes manifests of its environment: pure functions, one module a kind of thing.

`environment.environment` puts all together; `problems.problems` finds what the schema can't say; `components.components`
names the parts of a run. Nothing here talks to a cluster or looks at a clock.
"""
