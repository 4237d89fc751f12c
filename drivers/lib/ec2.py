"""EC2, or a server that speaks its protocol, as the drivers ask it: one client for a host, patience, errors in words.

Settings (etc/ec2/ec2rc, for one host etc/ec2/hosts/<host> or etc/hosts/<host>; the environment): EC2_REGION,
EC2_ENDPOINT (a URL; Amazon's without it), EC2_PROFILE (of ~/.aws; boto3's usual search without it), EC2_SITE (what the
instances of this installation are marked with, `oned`), EC2_PAUSE (seconds before a request is sent again, doubled each
time, 1). Keys are never logged, and what libraries log of requests is not either.
"""

import importlib
import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from oned.drivers.lib.driver import CannotStart
from oned.drivers.lib.ec2_errors import IS_BUSY, IS_KEY, advice
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task

SITE = "oned"
SILENCE = 20.0
"""Seconds that the server may say nothing."""
PATIENCE: Mapping[str, float] = {"DEPLOY": 200.0}
"""Verb → seconds of an action in which requests are sent again while the server is busy or does not answer; with a
silence in the end it is less than the engine waits."""
USUAL_PATIENCE = 30.0
LONGEST_PAUSE = 20.0
CONNECTIONS = 50
"""To one endpoint, kept for the next request."""

LIVING = ("pending", "running", "stopping", "stopped")
GONE = ("shutting-down", "terminated")
"""States of an instance that costs nothing any more, and never runs again."""

settings = Settings("ec2")
Instance = Mapping[str, Any]

for noisy in ("boto3", "botocore", "urllib3"):
    logging.getLogger(noisy).setLevel(logging.WARNING)

_clients: dict[tuple[str, str, str], Any] = {}
_making: dict[tuple[str, str, str], threading.Lock] = {}
_lock = threading.Lock()


def check_installed() -> None:
    """Errors: CannotStart without boto3."""
    try:
        importlib.import_module("boto3")
    except ImportError as error:
        raise CannotStart(f"boto3 cannot be used: {error}. Install it: pip install boto3") from None


class Cloud:
    """The region of EC2 that a host stands for, as one action asks it."""

    def __init__(self, host: str, task: Task) -> None:
        self.host, self._task = host, task
        self.region = self.setting("EC2_REGION")
        self.site = self.setting("EC2_SITE", SITE)
        self._end = time.monotonic() + PATIENCE.get(task.verb, USUAL_PATIENCE)
        self._key = (self.setting("EC2_PROFILE"), self.region, self.setting("EC2_ENDPOINT"))

    def setting(self, name: str, default: str = "") -> str:
        """What is set for the host."""
        return settings.get(name, default, self.host)

    def seconds(self, name: str, default: str) -> float:
        """A setting that is a time. Errors: ActionFailed, which names it."""
        text = self.setting(name, default)
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not 0 <= found < math.inf:
            raise ActionFailed(f"{name} of host {self.host} is {text}, which is no number of seconds: see etc/ec2")
        return found

    def call(self, method: str, **parameters: Any) -> Any:
        """The answer of a method of boto3's client; asked again while EC2 is busy. Errors: ActionFailed, Cancelled."""
        try:
            return self._patiently(method, parameters)
        except Refused as refusal:
            raise ActionFailed(str(refusal)) from None

    def ask(self, method: str, **parameters: Any) -> Any:
        """The same, but with Refused, which has EC2's code, for what it refuses."""
        return self._patiently(method, parameters)

    def pages(self, method: str, items: str, **parameters: Any) -> Iterator[Any]:
        """The items of all pages of an answer."""
        more: dict[str, Any] = {}
        while True:
            answer = self.call(method, **parameters, **more)
            yield from answer[items]
            if not answer.get("NextToken"):
                return
            more = {"NextToken": answer["NextToken"]}

    def instances(self, **filters: str | tuple[str, ...]) -> list[Instance]:
        """The instances with these properties, dead ones too; `tag__NAME` is a tag, `_` in names stands for `-`."""
        wanted = [{"Name": _filter(name), "Values": _values(value)} for name, value in filters.items()]
        found = self.pages("describe_instances", "Reservations", Filters=wanted)
        return [instance for made in found for instance in made["Instances"]]

    def instance(self, name: str) -> Instance | None:
        """The instance of an id; None if EC2 knows none."""
        try:
            answer = self.ask("describe_instances", InstanceIds=[name])
        except Refused as refusal:
            if refusal.code.startswith("InvalidInstanceID"):
                return None
            raise ActionFailed(str(refusal)) from None
        return next((found for made in answer["Reservations"] for found in made["Instances"]), None)

    # --- the request ---

    def _patiently(self, method: str, parameters: Mapping[str, Any]) -> Any:
        pause = self.seconds("EC2_PAUSE", "1")
        while True:
            self._task.check()
            try:
                return self._once(method, parameters)
            except Busy as busy:
                wait = random.uniform(pause / 2, pause)
                if time.monotonic() + wait > self._end:
                    raise Refused(busy.code, f"{busy}, for too long. Try again later") from None
                self._task.info(f"{busy}: {method} is asked for again")
            self._task.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _once(self, method: str, parameters: Mapping[str, Any]) -> Any:
        exceptions: Any = importlib.import_module("botocore.exceptions")
        try:
            return getattr(self._client(), method)(**parameters)
        except exceptions.ClientError as error:
            told = error.response.get("Error", {})
            code, message = str(told.get("Code", "")), str(told.get("Message", ""))
            if code in IS_BUSY:
                raise Busy(code, f"EC2 is busy ({code})") from None
            if code in IS_KEY:
                self._forget()
            raise Refused(code, advice(code, message, self.host, self.region)) from None
        except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
            raise Busy("", f"EC2 does not answer ({type(error).__name__}{self._where()})") from None
        except exceptions.ParamValidationError:  # its text has the values, and user data are among them
            raise Refused("", f"host {self.host}: a value of the template is nothing that EC2 could take") from None
        except exceptions.BotoCoreError as error:
            self._forget()
            raise Refused("", advice(type(error).__name__, str(error), self.host, self.region)) from None

    def _where(self) -> str:
        return f", {self._key[2]}" if self._key[2] else ""

    def _client(self) -> Any:
        """The client, which is made with the first request: boto3 takes 40 MiB and a moment."""
        with _lock:
            making = _making.setdefault(self._key, threading.Lock())
        with making:  # looking for a key may take seconds, in which the other hosts go on
            found = _clients.get(self._key)
            if found is None:
                found = _clients[self._key] = self._made()
            return found

    def _made(self) -> Any:
        try:
            return _made(*self._key)
        except ValueError as error:
            raise Refused("", f"EC2_ENDPOINT of host {self.host} cannot be asked: {error}. It is a URL") from None

    def _forget(self) -> None:
        """Keys that were refused may have been renewed when they are needed next."""
        _clients.pop(self._key, None)


class Refused(Exception):
    """EC2 will not; the text says why and what to do, the code is EC2's."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Busy(Exception):
    """The same request may be answered a moment later."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def _made(profile: str, region: str, endpoint: str) -> Any:
    boto3: Any = importlib.import_module("boto3")
    config: Any = importlib.import_module("botocore.config")
    session = boto3.session.Session(profile_name=profile or None, region_name=region or None)
    return session.client(
        "ec2",
        endpoint_url=endpoint or None,
        config=config.Config(
            connect_timeout=5,
            read_timeout=SILENCE,
            retries={"total_max_attempts": 1},
            max_pool_connections=CONNECTIONS,
        ),
    )


def _filter(name: str) -> str:
    return f"tag:{name.removeprefix('tag__')}" if name.startswith("tag__") else name.replace("_", "-")


def _values(value: str | tuple[str, ...]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def state(instance: Instance) -> str:
    """The word of EC2 for how it is."""
    return str(instance["State"]["Name"])


def tags(instance: Instance) -> dict[str, str]:
    """Its tags."""
    return {tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())}


def reason(instance: Instance) -> str:
    """Why it is as it is, as far as EC2 tells."""
    return str(instance.get("StateReason", {}).get("Message") or instance.get("StateTransitionReason") or "")


def soon(look: Callable[[], Any], task: Task, pause: float, times: int) -> Any:
    """What `look` finds, looked for a few times: EC2 shows what was made a moment later."""
    for number in range(times):
        if found := look():
            return found
        if number + 1 < times:
            task.sleep(pause)
    return None
