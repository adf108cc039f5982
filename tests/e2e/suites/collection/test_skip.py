import pytest
pytest.importorskip("not_there_either")
def test_never(): assert False
