"""Every argument list that a client sends is taken for what it is, as it comes over the wire."""

import xmlrpc.client
from collections.abc import Iterator

import pytest

from tests.clients.argument_forms import IGNORED, NOT_SERVED, UNDERSTOOD, forms
from tests.daemon.process import ADMIN, Daemon

VALUES = {"i": 99999999, "b": True, "s": "X = [", "A": [99999999]}
"""Nothing has such an id, and the text is no template, so that no call changes anything."""
TYPES = {"i": "int", "b": "boolean", "s": "string", "A": "array"}


@pytest.fixture(scope="module")
def server(cloud: Daemon) -> Iterator[xmlrpc.client.ServerProxy]:
    with xmlrpc.client.ServerProxy(cloud.endpoint) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def served(server: xmlrpc.client.ServerProxy) -> set[str]:
    return set(server.system.listMethods())  # type: ignore[arg-type]


def call(server: xmlrpc.client.ServerProxy, method: str, form: str) -> list[object]:
    """[ok, payload, code] of a call with values of these types."""
    answer: list[object] = getattr(server, method)(ADMIN, *(VALUES[letter] for letter in form.split()))  # type: ignore[assignment]
    return answer


@pytest.mark.parametrize(("method", "form"), [row for row in forms(UNDERSTOOD) if row[0] not in NOT_SERVED])
def test_a_form_is_understood_as_a_whole(server: xmlrpc.client.ServerProxy, method: str, form: str) -> None:
    signature = ["array", "string", *(TYPES[letter] for letter in form.split())]
    assert signature in server.system.methodSignature(method)  # type: ignore[operator]
    ok, payload, code = call(server, method, form)
    assert not str(payload).endswith("Internal error: the daemon's log has the details")
    assert ok == (code == 0)


@pytest.mark.parametrize(("method", "form"), [row for row in forms(IGNORED) if row[0] not in NOT_SERVED])
def test_what_follows_the_arguments_is_ignored(server: xmlrpc.client.ServerProxy, method: str, form: str) -> None:
    before = form.rpartition(" ")[0]
    assert call(server, method, form) == call(server, method, before)


def test_what_is_not_served_yet_is_known(served: set[str]) -> None:
    named = {method for method, _ in forms(UNDERSTOOD + IGNORED)}
    assert named - served == NOT_SERVED, "NOT_SERVED of tests/clients/argument_forms.py is to name exactly these"
