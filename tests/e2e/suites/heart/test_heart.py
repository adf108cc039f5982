import gc, os, threading, time
def test_only_the_main_thread():
    assert threading.enumerate() == [threading.main_thread()]
def test_fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
def test_after_a_fork():
    pass
def test_no_objects_leak():
    seen = set()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        gc.collect(); gc.collect()
        seen.add(len(gc.get_objects()))
    assert len(seen) <= 2, seen
