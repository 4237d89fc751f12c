"""What onesge.conf says of accounts of EC2: where instances may be that nobody has any more."""

from typing import NamedTuple

from oned.setting import TEXT, VECTOR, Setting, Values

SITE = "oned"
"""The tag ONE_SITE of instances where etc/ec2 says nothing (EC2_SITE)."""

ACCOUNT_SETTINGS = (
    Setting("EC2_ACCOUNT", VECTOR, "", "oned",
            "Where instances of this cluster that no node has are looked for each minute, and ended after ORPHAN_TIME; "
            "once for each region: REGION; PROFILE of ~/.aws, ENDPOINT, SITE (oned): as EC2_PROFILE, EC2_ENDPOINT and "
            "EC2_SITE of the host.",
            keys={"REGION": TEXT, "PROFILE": TEXT, "ENDPOINT": TEXT, "SITE": TEXT}),
)  # fmt: skip


class Account(NamedTuple):
    """A region of an account; "" for what boto3 may know."""

    region: str = ""
    profile: str = ""
    endpoint: str = ""
    site: str = SITE


def read_accounts(config: Values) -> tuple[Account, ...]:
    """The accounts of the settings; none where nothing is said."""
    return tuple(
        Account(**{key.lower(): text for key, text in vector.items()}) for vector in config.vectors("EC2_ACCOUNT")
    )
