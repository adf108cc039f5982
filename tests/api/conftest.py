from tests.api.apiserver import admin, apiserver, operator

__all__ = ["admin", "apiserver", "operator"]
