"""EC2 and S3 on this machine: moto, and before it what moto leaves out but EC2 does.

    with Ec2Stub() as cloud:
        ec2 = cloud.client("ec2")           # any boto3 client; programs get cloud.environment()
        cloud.throttle("RunInstances", 2)   # what goes wrong is ordered

It knows client tokens, imports of snapshots (ec2_stub_imports.py), limits of user data, instances that are pending for
a while, and, by order: throttling, no capacity, an answer that is lost after the work was done, keys that are refused,
lists that are late, interruption of spot instances. All else is moto's, and so are the addresses: never connect to one.

It also runs as a program, `python -m share.lab.ec2_stub PORT`, which says its URL and serves until it is ended.
"""

import base64
import importlib
import io
import os
import re
import socket
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self
from xml.sax.saxutils import escape

from share.lab.ec2_stub_faults import Fault, Parameters, Refused
from share.lab.ec2_stub_imports import Imports, images_as_registered

ACCOUNT = "123456789012"
REGION = "us-east-1"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
USER_DATA_LIMIT = 16384
"""Bytes before base64."""
NOBODY = "i-00000000000000000"
PENDING, RUNNING = ("pending", 0), ("running", 16)


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    action: str
    region: str
    parameters: Parameters


@dataclass(frozen=True)
class Started:
    """What a client token stands for."""

    parameters: Parameters
    body: bytes


class Ec2Stub:
    """The server, from the beginning of its block to its end; `url` is where it listens."""

    def __init__(self, port: int = 0) -> None:
        server: Any = importlib.import_module("moto.server")
        serving: Any = importlib.import_module("werkzeug.serving")
        settings: Any = importlib.import_module("moto.settings")
        os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # 1,301 of them, which takes seconds
        settings.ENABLE_AMI_VALIDATION = settings.ENABLE_KEYPAIR_VALIDATION = True
        self._moto = server.DomainDispatcherApplication(server.create_backend_app)
        self._server = serving.make_server("127.0.0.1", port, self, True, request_handler=_silent())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.refused_keys: set[str] = set()
        self.pending_looks = 0
        """How often a new instance is seen pending before it runs."""
        self.late_lists = 0
        """How many lists of instances by filters are answered as before anything was started."""
        self.page = 0
        """Reservations in one answer to DescribeInstances; as moto has it, 100, if it is 0."""
        self._tokens: dict[tuple[str, str], Started] = {}
        self._looks: dict[str, int] = {}
        self.imports = Imports()

    def __enter__(self) -> Self:
        self.reset()  # moto has one cloud for all servers of a process
        self.backend(REGION)  # loaded now: no request has to wait for it
        self.serving = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.serving.start()
        return self

    def __exit__(self, *_reason: object) -> None:
        self._server.shutdown()
        self.serving.join()
        self._server.server_close()

    # --- what tests order and look at ---

    def client(self, service: str, region: str = REGION, **more: Any) -> Any:
        """A boto3 client of it that tries once."""
        boto3: Any = importlib.import_module("boto3")
        config: Any = importlib.import_module("botocore.config")
        once = config.Config(retries={"total_max_attempts": 1})
        keys = {**KEYS, **more}
        return boto3.client(service, endpoint_url=self.url, region_name=region, config=once, **keys)

    def environment(self) -> dict[str, str]:
        """What a program has to find in its environment to come here."""
        keys = {name.upper(): value for name, value in KEYS.items()}
        return {**keys, "AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}

    def reset(self) -> None:
        """Forget everything, moto's part too."""
        with self._lock:
            self._forget()
            importlib.import_module("moto.moto_api._internal.models").moto_api_backend.reset()

    def fault(self, action: str, code: str, times: int = 1, message: str = "", **where: str) -> None:
        """Let the action fail; `where` names parameters, `__` for the dot in them. The first order that fits counts."""
        named = {name.replace("__", "."): value for name, value in where.items()}
        self.faults.append(Fault(action, code, times, named, message))

    def throttle(self, action: str = "*", times: int = 1) -> None:
        """Refuse so many requests as too many."""
        self.fault(action, "RequestLimitExceeded", times)

    def no_capacity(self, times: int = 1_000_000, **where: str) -> None:
        """There are no instances, perhaps only of a type (InstanceType) or in a zone (Placement__AvailabilityZone)."""
        self.fault("RunInstances", "InsufficientInstanceCapacity", times, **where)

    def lose_answer(self, action: str, times: int = 1) -> None:
        """Do what is asked for, and cut the connection instead of answering."""
        self.faults.append(Fault(action, "", times))

    def refuse_key(self, key: str) -> None:
        """Let an access key be unknown."""
        self.refused_keys.add(key)

    def interrupt(self, instance_id: str, region: str = REGION) -> None:
        """Take a spot instance back."""
        self.end(
            instance_id,
            region,
            "Server.SpotInstanceTermination",
            "Server.SpotInstanceTermination: Spot instance termination",
        )

    def grown(self) -> None:
        """All that is pending runs, and so will what is new."""
        with self._lock:
            self.pending_looks = 0
            self._looks = dict.fromkeys(self._looks, 0)

    def end(
        self,
        instance_id: str,
        region: str = REGION,
        code: str = "Client.UserInitiatedShutdown",
        reason: str = "Client.UserInitiatedShutdown: User initiated shutdown",
    ) -> None:
        """Terminate an instance from outside."""
        backend = self.backend(region)
        with self._lock:
            backend.terminate_instances([instance_id])
            instance = backend.get_instance(instance_id)
            instance.state_reason.code, instance.state_reason.message = code, reason

    def instances(self, region: str = REGION, *, ended: bool = False) -> list[Any]:
        """Moto's objects of the instances that have not ended (or of all), in the order they were started."""
        with self._lock:
            found = [instance for made in self.backend(region).reservations.values() for instance in made.instances]
        return [instance for instance in found if ended or instance.state != "terminated"]

    def requests(self, action: str) -> list[Parameters]:
        """The parameters of all requests for it, in order."""
        return [asked.parameters for asked in self.asked if asked.action == action]

    @staticmethod
    def backend(region: str) -> Any:
        """Moto's EC2 of a region."""
        return importlib.import_module("moto.ec2.models").ec2_backends[ACCOUNT][region]

    # --- serving ---

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI: what is asked of EC2 goes through here, all else straight to moto."""
        key, region, service = _scope(environ.get("HTTP_AUTHORIZATION", ""))
        if service != "ec2":
            return self._moto(environ, start_response)  # type: ignore[no-any-return]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        parameters = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        status, answer = self._answer(environ, key, region, parameters)
        start_response(
            f"{status} -", [("Content-Type", "text/xml;charset=UTF-8"), ("Content-Length", str(len(answer)))]
        )
        return [answer]

    def _answer(self, environ: dict[str, Any], key: str, region: str, parameters: Parameters) -> tuple[int, bytes]:
        action = parameters.get("Action", "")
        with self._lock:
            self.asked.append(Asked(action, region, parameters))
            try:
                if key in self.refused_keys:
                    raise Refused("AuthFailure")
                fault = self._due(action, parameters)
                if fault and fault.code:
                    raise Refused(fault.code, fault.message)
                done = self._do(environ, region, action, parameters)
            except Refused as refusal:
                return refusal.status, _error(refusal.code, str(refusal))
        if fault:
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionResetError("the answer is lost, as ordered")
        return done

    def _due(self, action: str, parameters: Parameters) -> Fault | None:
        fault = next((fault for fault in self.faults if fault.fits(action, parameters)), None)
        if fault:
            fault.times -= 1
        return fault

    def _do(self, environ: dict[str, Any], region: str, action: str, parameters: Parameters) -> tuple[int, bytes]:
        if action == "RunInstances":
            return self._run(environ, region, parameters)
        if action == "ImportSnapshot":
            return 200, self._once(region, parameters, lambda: self.imports.start(self, region, parameters))[0]
        if action == "DescribeImportSnapshotTasks":
            return 200, self.imports.describe(self, region, parameters)
        if action == "DescribeInstances":
            self._grow(region)
            parameters = self._by_token(region, self._by_age(parameters))
            if self.page and "InstanceId.1" not in parameters:
                parameters = {**parameters, "MaxResults": str(self.page)}
        if action == "RegisterImage":
            return images_as_registered(self, region, parameters, lambda: self._forward(environ, parameters))
        return self._forward(environ, parameters)

    def _forward(self, environ: dict[str, Any], parameters: Parameters) -> tuple[int, bytes]:
        """What moto answers."""
        test: Any = importlib.import_module("werkzeug.test")
        body = urllib.parse.urlencode(parameters).encode()
        pieces, status, _ = test.run_wsgi_app(
            self._moto, {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        )
        return int(status.split()[0]), b"".join(pieces)

    def _once(self, region: str, parameters: Parameters, do: Callable[[], bytes]) -> tuple[bytes, bool]:
        """The answer to a request with a client token, and whether it is the first: the same request is done once."""
        token = parameters.get("ClientToken", "")
        asked = {name: value for name, value in parameters.items() if name not in ("ClientToken", "DryRun")}
        if not token:
            return do(), True
        if before := self._tokens.get((region, token)):
            if before.parameters != asked:
                raise Refused("IdempotentParameterMismatch")
            return before.body, False
        body = do()
        self._tokens[region, token] = Started(asked, body)
        return body, True

    def _run(self, environ: dict[str, Any], region: str, parameters: Parameters) -> tuple[int, bytes]:
        if len(base64.b64decode(parameters.get("UserData", ""))) > USER_DATA_LIMIT:
            raise Refused("InvalidParameterValue", "User data is limited to 16384 bytes")

        def start() -> bytes:
            status, body = self._forward(environ, parameters)
            if status != 200:
                raise _Answered(status, body)
            return body

        try:
            body, first = self._once(region, parameters, start)
        except _Answered as answered:
            return answered.status, answered.body
        if first and self.pending_looks:
            self._delay(region, body)
        return 200, self._with_states(region, body)

    def _delay(self, region: str, body: bytes) -> None:
        for name in re.findall(rb"<instanceId>(i-[0-9a-f]+)</instanceId>", body):
            instance = self.backend(region).get_instance(name.decode())
            instance._state.name, instance._state.code = PENDING
            self._looks[name.decode()] = self.pending_looks

    def _grow(self, region: str) -> None:
        """One more look at what is pending."""
        for name, left in list(self._looks.items()):
            instance = next((found for found in self.instances(region) if found.id == name), None)
            if left > 0:
                self._looks[name] = left - 1
            elif instance is not None:
                del self._looks[name]
                if instance.state == PENDING[0]:
                    instance._state.name, instance._state.code = RUNNING

    def _with_states(self, region: str, body: bytes) -> bytes:
        """The kept answer, with the states that the instances have now, as EC2 repeats it."""
        names = iter(re.findall(rb"<instanceId>(i-[0-9a-f]+)</instanceId>", body))

        def state(_: re.Match[bytes]) -> bytes:
            instance = self.backend(region).get_instance(next(names).decode())
            known = instance._state
            return f"<instanceState><code>{known.code}</code><name>{known.name}</name></instanceState>".encode()

        return re.sub(rb"<instanceState>.*?</instanceState>", state, body, flags=re.DOTALL)

    def _by_age(self, parameters: Parameters) -> Parameters:
        """The filters as they are, or of a list that is late one more that nothing passes."""
        if not self.late_lists or "Filter.1.Name" not in parameters:
            return parameters
        self.late_lists -= 1
        number = next(n for n in range(1, 99) if f"Filter.{n}.Name" not in parameters)
        return {**parameters, f"Filter.{number}.Name": "instance-id", f"Filter.{number}.Value.1": NOBODY}

    def _by_token(self, region: str, parameters: Parameters) -> Parameters:
        """The filter client-token, which moto lacks, as one by ids."""
        number = next((n for n in range(1, 9) if parameters.get(f"Filter.{n}.Name") == "client-token"), 0)
        if not number:
            return parameters
        prefix = f"Filter.{number}.Value."
        wanted = {value for name, value in parameters.items() if name.startswith(prefix)}
        others = {name: value for name, value in parameters.items() if not name.startswith(prefix)}
        found = [one.id for one in self.instances(region, ended=True) if one.client_token in wanted]
        values = {f"{prefix}{n}": name for n, name in enumerate(found or [NOBODY], 1)}
        return {**others, f"Filter.{number}.Name": "instance-id", **values}


class _Answered(Exception):
    """Moto's own refusal, which no token remembers."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status, self.body = status, body


def _silent() -> Any:
    """Moto's handler of requests, without a log line for each."""
    handler: Any = importlib.import_module("moto.server").MotoRequestHandler
    return type("Silent", (handler,), {"log": lambda *_words: None})


def _scope(authorization: str) -> tuple[str, str, str]:
    """Access key, region and service of a signed request; nothing if it is not signed."""
    match = re.search(r"Credential=([^/]+)/[^/]+/([^/]+)/([^/]+)/", authorization)
    return (match[1], match[2], match[3]) if match else ("", "", "")


def _error(code: str, message: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error>'
        f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "</Error></Errors><RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
    ).encode()


def main() -> None:
    """The program."""
    with Ec2Stub(int(sys.argv[1]) if sys.argv[1:] else 0) as stub:
        print(stub.url, flush=True)  # noqa: T201
        stub.serving.join()


if __name__ == "__main__":
    main()
