"""Calls of the daemon's methods as if they were functions: `Client().one.vm.info(7)`."""

from oned.client import settings, xmlrpc
from oned.client.connection import Connection
from oned.client.failures import ClientError, Faulted, NotConfigured, ServerRefused, Unreachable, Unsendable
from oned.client.xmlrpc import Value

__all__ = [
    "Client",
    "ClientError",
    "Faulted",
    "Method",
    "NotConfigured",
    "ServerRefused",
    "Unreachable",
    "Unsendable",
    "Value",
]

_WITH_SESSION = ("one.", "oned.")


class Method:
    """A method's name that is being spelled: attributes make it longer, a call sends it."""

    __slots__ = ("_client", "_name")

    def __init__(self, client: "Client", name: str) -> None:
        self._client = client
        self._name = name

    def __getattr__(self, part: str) -> "Method":
        if part.startswith("_"):
            raise AttributeError(part)
        return Method(self._client, f"{self._name}.{part}")

    def __call__(self, *arguments: Value) -> Value:
        return self._client.call(self._name, *arguments)


class Client:
    """The methods of one daemon, called with one user's credentials over one kept connection.

    endpoint  URL; None looks it up (see `settings`)
    session   "user:secret"; None looks it up at the first call that needs it
    timeout   seconds to wait for an answer; None takes ONE_XMLRPC_TIMEOUT or 120
    """

    def __init__(self, endpoint: str | None = None, session: str | None = None, timeout: float | None = None) -> None:
        self.endpoint = settings.endpoint() if endpoint is None else endpoint
        self._session = session
        self._connection = Connection(self.endpoint, settings.timeout() if timeout is None else timeout)

    @property
    def session(self) -> str:
        """The credentials. Raises NotConfigured when there are none."""
        if self._session is None:
            self._session = settings.session()
        return self._session

    def __getattr__(self, name: str) -> Method:
        if name.startswith("_"):
            raise AttributeError(name)
        return Method(self, name)

    def call(self, method: str, *arguments: Value) -> Value:
        """The payload of the answer; of a `system.*` method the whole value.

        `one.*` and `oned.*` get the session as their first argument. Raises ServerRefused, Faulted, Unreachable,
        Unsendable, NotConfigured.
        """
        owned = method.startswith(_WITH_SESSION)
        sent = (self.session, *arguments) if owned else arguments
        answer = xmlrpc.decode(self._connection.post(xmlrpc.encode(method, sent)))
        return self._payload(answer) if owned else answer

    def _payload(self, answer: Value) -> Value:
        if not isinstance(answer, list) or not answer or not isinstance(answer[0], bool):
            raise Unreachable(f"{self.endpoint} answered in a form that is not OpenNebula's")
        payload: Value = answer[1] if len(answer) > 1 else ""
        if answer[0]:
            return payload
        code = answer[2] if len(answer) > 2 else 0
        raise ServerRefused(str(payload), code if isinstance(code, int) else 0)

    def text(self, method: str, *arguments: Value) -> str:
        """The payload of a method that answers a document or another text."""
        return str(self.call(method, *arguments))

    def number(self, method: str, *arguments: Value) -> int:
        """The payload of a method that answers an id. Raises Unreachable for anything else."""
        payload = self.call(method, *arguments)
        if not isinstance(payload, int):
            raise Unreachable(f"{self.endpoint} answered {method} without an id")
        return payload

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_reason: object) -> None:
        self.close()
