"""What onesge.conf says of images in EC2: where they go if a command does not say."""

from collections.abc import Mapping
from typing import NamedTuple

from oned.elastic.images.snapshots import ROLE
from oned.setting import TEXT, VECTOR, Setting, Values

IMAGE_SETTINGS = (
    Setting("EC2_IMAGES", VECTOR, "", "oned",
            "How images become AMIs (onesge image publish): REGION; BUCKET of S3 that disks go through, also "
            "BUCKET/PREFIX; ROLE that EC2 reads it by (vmimport); S3_ENDPOINT, EC2_ENDPOINT, URLs of other servers "
            "than AWS.",
            keys={"REGION": TEXT, "BUCKET": TEXT, "ROLE": TEXT, "S3_ENDPOINT": TEXT, "EC2_ENDPOINT": TEXT}),
)  # fmt: skip


class ImageSite(NamedTuple):
    """Where images go; "" for what nobody said: boto3 may know it."""

    region: str = ""
    bucket: str = ""
    role: str = ROLE
    s3_endpoint: str = ""
    ec2_endpoint: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """The bucket, and the prefix of the keys."""
        bucket, _, prefix = self.bucket.removeprefix("s3://").partition("/")
        return bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""


def read_images(config: Values, given: Mapping[str, str | None]) -> ImageSite:
    """The settings, with what was given in their place."""
    said = {key.lower(): text for key, text in config.vector("EC2_IMAGES").items()}
    wanted = {key: text for key, text in given.items() if text}
    return ImageSite(**(said | wanted))
