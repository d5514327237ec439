import os
import sched
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from maskgate.core import interruption


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGALRM)}
    interruption.watch()
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_is_no_exception_that_others_catch() -> None:
    with pytest.raises(interruption.Interrupted):
        try:
            press()
        except (Exception, KeyboardInterrupt):
            pytest.fail("caught")


def test_a_wait_ends_soon() -> None:
    threading.Timer(0.05, press).start()
    since = time.monotonic()
    with pytest.raises(interruption.Interrupted):
        threading.Event().wait(10)
    assert time.monotonic() - since < 5


class Dropped:
    def __del__(self) -> None:
        press()
        for _ in range(100):
            pass


def test_what_a_destructor_drops_comes_again() -> None:
    with pytest.raises(interruption.Interrupted):
        Dropped()
        time.sleep(5)


def test_a_forked_worker_leaves_it_to_its_parent() -> None:
    worker = os.fork()
    if worker == 0:
        try:
            press()
            time.sleep(0.05)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0


def test_python_finishes_what_it_does() -> None:
    done: list[str] = []
    scheduler = sched.scheduler()  # of the standard library: it may not be left between the two
    scheduler.enter(0, 1, os.kill, (os.getpid(), signal.SIGINT))
    scheduler.enter(0, 2, done.append, ("all",))
    with pytest.raises(interruption.Interrupted):
        scheduler.run()
        time.sleep(5)
    assert done == ["all"]


def test_at_the_end_nothing_is_shown_and_another_one_kills(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("half-made")

    interruption.end()
    Broken()
    assert capsys.readouterr().err == ""
    assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
