"""From a scope, a spec and settings to the manifests of an environment: pure functions, one module a kind of thing.

`manifests.environment` puts all together; `problems.problems` finds what the schema can't say. Nothing here talks to a
cluster or reads a clock.
"""
