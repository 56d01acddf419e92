"""Ctrl-C and SIGTERM between two steps of long work."""

import signal
import threading

import pytest

from atarigan.cli.stop_request import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_only_asks(number: signal.Signals) -> None:
    with StopRequest() as stop:
        assert not stop.is_set
        signal.raise_signal(number)
        assert stop.is_set


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_interrupts(second: signal.Signals) -> None:
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(second)
        assert stop.is_set


def test_signals_do_as_before_once_it_is_left() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), StopRequest():
        _ = 1 // 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_another_thread_may_enter_it() -> None:
    before = signal.getsignal(signal.SIGINT)
    is_set = []

    def work() -> None:
        with StopRequest() as stop:
            is_set.append(stop.is_set)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert is_set == [False]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_launchers_echo_of_the_first_signal_is_not_a_second_one():
    with StopRequest(echo_s=60.0) as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_set
