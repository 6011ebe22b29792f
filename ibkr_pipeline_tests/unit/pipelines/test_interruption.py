"""Signals as one exception."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from ibkr_pipeline.pipelines.interruption import Interrupted, interruptible


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_raised_where_the_work_is(number: signal.Signals) -> None:
    """Every `finally` on the way up then does its part."""
    with pytest.raises(Interrupted) as caught, interruptible():
        _wait_for(number)

    assert f"interrupted by {number.name}" == str(caught.value)


def test_earlier_handlers_are_put_back() -> None:
    """What is not ours stays as it was."""
    before = signal.getsignal(signal.SIGTERM)
    with interruptible():
        inside = signal.getsignal(signal.SIGTERM)

    assert (before, True) == (signal.getsignal(signal.SIGTERM), inside is not before)


def test_outside_the_main_thread_it_does_nothing() -> None:
    """Python handles signals in the main thread alone."""
    done: list[bool] = []

    def work() -> None:
        with interruptible():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(5)

    assert [True] == done


def _wait_for(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    signal.pause()
