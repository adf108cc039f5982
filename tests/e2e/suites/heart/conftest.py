import threading, pytest
def pytest_sessionstart(session):
    session.threads = threading.enumerate()
@pytest.fixture(autouse=True)
def no_threads_left(request):
    yield
    assert threading.enumerate() == request.session.threads
