"""Clients of AWS, or of who speaks its protocols, and their failures in sentences."""

import functools
import importlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from oned.client.client import ClientError

ATTEMPTS = 8
"""Of a request, unless AWS_MAX_ATTEMPTS says another number."""
_SECONDS = 60
_PASSWORD = re.compile(r"://[^/\s]*@")
_CREDENTIALS = "It takes them as boto3 does: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ~/.aws, a role"
HINTS: Mapping[str, str] = {
    "NoSuchBucket": "Make the bucket first (aws s3 mb s3://BUCKET), or name another",
    "AccessDenied": "The key's policy has to allow it",
    "UnauthorizedOperation": "The key's policy has to allow it",
    "AllAccessDisabled": "The account may not use it",
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "AuthFailure": _CREDENTIALS,
    "ExpiredToken": f"Get new credentials. {_CREDENTIALS}",
    "RequestExpired": "The clock of this machine is wrong, or the credentials are too old",
    "RequestTimeTooSkewed": "Set the clock of this machine",
    "PermanentRedirect": "The bucket is in another region: --region",
    "AuthorizationHeaderMalformed": "The bucket is in another region: --region",
    "IllegalLocationConstraintException": "The bucket is in another region: --region",
    "SlowDown": "It is too busy. Run this again later: it goes on where it stopped",
    "RequestLimitExceeded": "It is too busy. Run this again later: it goes on where it stopped",
}
"""What to do about a failure, by AWS' code of it."""


class CloudError(ClientError):
    """AWS refused or did not answer; code is that of AWS, "" for what never came there."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Place(NamedTuple):
    """Where a service is asked: a region, a URL, a profile of ~/.aws; "" for what boto3 finds."""

    region: str = ""
    endpoint: str = ""
    profile: str = ""

    def client(self, service: str, *, seconds: int = _SECONDS, attempts: int = 0) -> Any:
        """A client of boto3, which waits so long for an answer and asks so often. Raises CloudError."""
        config: Any = importlib.import_module("botocore.config")
        path_style = {"s3": {"addressing_style": "path"}} if self.endpoint else {}
        with failures(f"{service} cannot be asked"):
            known = session(self.profile)
            return known.client(
                service,
                endpoint_url=self.endpoint or None,
                region_name=self.region or known.region_name or "us-east-1",
                config=config.Config(
                    connect_timeout=10,
                    read_timeout=seconds,
                    retries={"mode": "standard", "total_max_attempts": attempts or _attempts()},
                    **path_style,
                ),
            )


@functools.cache
def session(profile: str = "") -> Any:
    """What boto3 knows of keys, regions and services, which takes it a while to read."""
    boto3: Any = importlib.import_module("boto3")
    return boto3.session.Session(profile_name=profile or None)


def _attempts() -> int:
    said = os.environ.get("AWS_MAX_ATTEMPTS", "")
    return max(1, int(said)) if said.isdecimal() else ATTEMPTS


@contextmanager
def failures(what: str) -> Iterator[None]:
    """Failures of boto3 as CloudError: what could not be done, why, what to do."""
    exceptions: Any = importlib.import_module("botocore.exceptions")
    parsers: Any = importlib.import_module("botocore.parsers")
    try:
        yield
    except exceptions.ClientError as error:
        told = error.response.get("Error", {})
        code = str(told.get("Code", ""))
        reason = str(told.get("Message") or code).rstrip(".")
        raise CloudError(_sentence(what, f"{code}: {reason}", HINTS.get(code, "")), code) from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise CloudError(_sentence(what, str(error), _CREDENTIALS)) from None
    except (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError) as error:
        raise CloudError(_sentence(what, str(error), "Is the endpoint right, and the network up?")) from None
    except (parsers.ResponseParserError, KeyError) as error:
        why = f"the answer has no {error}" if isinstance(error, KeyError) else f"the answer cannot be read ({error})"
        raise CloudError(_sentence(what, why, "Does EC2 or S3 answer there, and for that region?")) from None
    except (exceptions.BotoCoreError, exceptions.HTTPClientError, ValueError) as error:
        raise CloudError(_sentence(what, str(error), "")) from None


def _sentence(what: str, why: str, hint: str) -> str:
    """In one line, without the password of a URL."""
    said = f"{what}: {why}{f'. {hint}' if hint else ''}"
    return _PASSWORD.sub("://…@", " ".join(said.split()))
