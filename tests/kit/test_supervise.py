"""The greeting is said when somebody listens, not before."""

from __future__ import annotations

import socket

import pytest

from citycare.kit.supervise import Greeting


@pytest.mark.enable_socket
def test_a_greeting_waits_for_the_web(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        greeting = Greeting("127.0.0.1", listening.getsockname()[1], "城医通\n")
        assert not greeting.say()
        assert capsys.readouterr().out == ""
        listening.listen()
        assert greeting.say()
    assert capsys.readouterr().out == "城医通\n"
