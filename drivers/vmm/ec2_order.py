"""What a VM wants of EC2: the section of its template for this host, as the parameters of RunInstances.

The section is EC2 = [ … ] (1.2 to 4.x) or PUBLIC_CLOUD = [ TYPE = "ec2", … ] (4.4 and later). Of several, that with the
host's name in HOST or CLOUD counts, else that with its region in REGION; names are read with `_` and without. What it
does not say, a setting EC2_<NAME> of etc/ec2 says.
"""

import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from oned.drivers.lib.ec2 import Cloud
from oned.drivers.lib.gathering import Gathering, safe_directories
from oned.drivers.lib.request import VMRequest, var_directory
from oned.drivers.lib.task import ActionFailed, Task
from oned.template.shell import assignments

NAMESPACE = uuid.UUID("6f9d8c52-6d0b-4d5c-8a51-0d2d7c3f1a11")
USER_DATA_LIMIT = 16384
TAG_LIMIT = 256
UNUSED = {
    "AUTHORIZEDPORTS": "open ports in a security group of your own, and name that in SECURITYGROUPS",
    "LICENSEPOOL": "EC2 has no pools of licences any more",
}
"""Attributes of former releases that do nothing → what to do instead."""
_WORD = re.compile(r"[\s,]+")
_YES = ("YES", "TRUE", "1")


@dataclass(frozen=True)
class Order:
    """What is to be started for a VM.

    identity    of the VM, here and in every other installation: its instances are tagged with it
    token       what EC2 knows it by: a request with a token that was there is the same request
    parameters  of RunInstances, without the token
    elastic_ip  address that it is to have, or the id of its allocation
    """

    identity: str
    token: str
    type: str
    elastic_ip: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """The section of a host, and the settings behind it."""

    given: Mapping[str, str]
    cloud: Cloud

    def get(self, name: str) -> str:
        """The value, in the template or as the host has it set."""
        return self.given.get(name, "").strip() or self.cloud.setting(f"EC2_{name}")

    def words(self, name: str) -> list[str]:
        """The words of a list with blanks or commas."""
        return [word for word in _WORD.split(self.get(name)) if word]

    def truth(self, name: str) -> bool:
        return self.get(name).upper() in _YES


def order(request: VMRequest, cloud: Cloud, task: Task) -> Order:
    """What the VM wants. Errors: ActionFailed with what is missing or wrong in its template."""
    if request.document is None:
        raise ActionFailed('the driver ec2 is asked without the VM\'s document: its VM_MAD needs PROTOCOL = "xml"')
    section = Section(chosen(request.document, request.host, cloud.region), cloud)
    for name, instead in UNUSED.items():
        if name in section.given:
            task.info(f"{name} does nothing: {instead}")
    for name in ("AMI", "INSTANCETYPE"):
        if not section.get(name):
            raise ActionFailed(f"the EC2 section has no {name}, and host {request.host} none as EC2_{name} in etc/ec2")
    token = section.given.get("CLIENTTOKEN", "").strip() or identity(request.document)
    return Order(
        identity=identity(request.document),
        token=token,
        type=section.get("INSTANCETYPE"),
        elastic_ip=section.get("ELASTICIP"),
        parameters=dict(_parameters(request.document, section, token, task)),
    )


# --- the section ---


def chosen(vm: Element, host: str, region: str) -> dict[str, str]:
    """The section for the host, else that for its region; names in capitals, without `_`; empty if none."""
    found = list(sections(vm))
    named = [one for one in found if (one.get("HOST") or one.get("CLOUD", "")).lower() == host.lower()]
    there = [one for one in found if region and one.get("REGION", "") == region]
    if len(found) > 1 and not named and len(there) != 1:
        raise ActionFailed(f'of {len(found)} EC2 sections none has HOST = "{host}"')
    return (named or there or found or [{}])[0]


def sections(vm: Element) -> Iterator[dict[str, str]]:
    """All EC2 sections of a VM."""
    for part in ("USER_TEMPLATE", "TEMPLATE"):
        for element in vm.iterfind(f"{part}/EC2"):
            yield _values(element)
        for element in vm.iterfind(f"{part}/PUBLIC_CLOUD"):
            values = _values(element)
            if values.get("TYPE", "").lower() == "ec2":
                yield values


def _values(element: Element) -> dict[str, str]:
    return {child.tag.upper().replace("_", ""): child.text or "" for child in element}


def identity(vm: Element) -> str:
    """What no other VM has, of this installation or another: its number and the second of its submission."""
    return str(uuid.uuid5(NAMESPACE, f"{vm.findtext('ID')} {vm.findtext('STIME')}"))


# --- the parameters ---


def _parameters(vm: Element, section: Section, token: str, task: Task) -> Iterator[tuple[str, Any]]:
    cloud = section.cloud
    yield from {
        "ImageId": section.get("AMI"),
        "InstanceType": section.get("INSTANCETYPE"),
        "MinCount": 1,
        "MaxCount": 1,
        "InstanceInitiatedShutdownBehavior": "terminate",
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
        "TagSpecifications": _tagged(_tags(vm, section, token)),
    }.items()
    names = {"KEYPAIR": "KeyName", "SUBNETID": "SubnetId", "PRIVATEIP": "PrivateIpAddress", "AKI": "KernelId",
             "RAMDISK": "RamdiskId"}  # fmt: skip
    for name, parameter in names.items():
        if value := section.get(name):
            yield parameter, value
    if data := user_data(vm, section, task):
        yield "UserData", data
    if profile := cloud.setting("EC2_IAM_PROFILE"):
        yield "IamInstanceProfile", {"Arn" if profile.startswith("arn:") else "Name": profile}
    if section.truth("EBSOPTIMIZED"):
        yield "EbsOptimized", True
    yield from _groups(section)
    yield from _place(section)
    yield from _spot(section)
    if section.get("BLOCKDEVICEMAPPING"):
        yield "BlockDeviceMappings", [mapping(word) for word in section.words("BLOCKDEVICEMAPPING")]


def _groups(section: Section) -> Iterator[tuple[str, Any]]:
    """Security groups by id or name; in a subnet EC2 knows them by id only."""
    words = [*section.words("SECURITYGROUPS"), *section.words("SECURITYGROUPIDS")]
    names = [word for word in words if not word.startswith("sg-")]
    ids = [word for word in words if word.startswith("sg-")]
    if names and (ids or section.get("SUBNETID")):
        ids += _ids_of(section, names)
    elif names:
        yield "SecurityGroups", names
    if ids:
        yield "SecurityGroupIds", ids


def _ids_of(section: Section, names: list[str]) -> list[str]:
    filters = [{"Name": "group-name", "Values": names}]
    if subnet := section.get("SUBNETID"):
        network = section.cloud.call("describe_subnets", SubnetIds=[subnet])["Subnets"][0]["VpcId"]
        filters.append({"Name": "vpc-id", "Values": [network]})
    found = section.cloud.call("describe_security_groups", Filters=filters)["SecurityGroups"]
    known = {group["GroupName"]: str(group["GroupId"]) for group in found}
    if missing := [name for name in names if name not in known]:
        raise ActionFailed(
            f"SECURITYGROUPS: there is no {missing[0]} in the network of the subnet. Make it, or correct it"
        )
    return [known[name] for name in names]


def _place(section: Section) -> Iterator[tuple[str, Any]]:
    names = {"AVAILABILITYZONE": "AvailabilityZone", "TENANCY": "Tenancy", "PLACEMENTGROUP": "GroupName"}
    place = {parameter: section.get(name) for name, parameter in names.items() if section.get(name)}
    if place:
        yield "Placement", place


def _spot(section: Section) -> Iterator[tuple[str, Any]]:
    price = section.get("SPOTPRICE")
    if price or section.truth("SPOT"):
        options = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        if price:
            options["MaxPrice"] = price
        yield "InstanceMarketOptions", {"MarketType": "spot", "SpotOptions": options}


def mapping(word: str) -> dict[str, Any]:
    """A block device as Amazon's old tools wrote it: device=snapshot:GiB:delete:type, =ephemeral0 or =none."""
    device, separator, what = word.partition("=")
    if not separator or not device:
        raise ActionFailed(f"BLOCKDEVICEMAPPING: {word} is not DEVICE=SNAPSHOT:GIB:DELETE:TYPE")
    if what == "none":
        return {"DeviceName": device, "NoDevice": ""}
    if what.startswith("ephemeral"):
        return {"DeviceName": device, "VirtualName": what}
    snapshot, size, delete, kind = (*what.split(":"), "", "", "", "")[:4]
    if size and not size.isdecimal():
        raise ActionFailed(f"BLOCKDEVICEMAPPING: {size} in {word} is no number of GiB")
    disk: dict[str, Any] = {"DeleteOnTermination": delete.lower() != "false"}
    disk |= {"SnapshotId": snapshot} if snapshot else {}
    disk |= {"VolumeSize": int(size)} if size else {}
    disk |= {"VolumeType": kind} if kind else {}
    return {"DeviceName": device, "Ebs": disk}


# --- tags ---


def _tags(vm: Element, section: Section, token: str) -> dict[str, str]:
    """Those of the template, and ours, by which instances are found again."""
    own = dict(word.partition("=")[::2] for word in _split_tags(section.get("TAGS")))
    return {
        "Name": vm.findtext("NAME") or "",
        **own,
        "ONE_USER": vm.findtext("UNAME") or "",
        "ONE_ID": vm.findtext("ID") or "",
        "ONE_HOST": section.cloud.host,
        "ONE_SITE": section.cloud.site,
        "ONE_VM": identity(vm),
        "ONE_TOKEN": token,
    }


def _split_tags(text: str) -> list[str]:
    """NAME=VALUE parted by commas or line ends; a value may have blanks."""
    return [word.strip() for word in re.split(r"[,\n]", text) if word.strip()]


def _tagged(values: Mapping[str, str]) -> list[dict[str, Any]]:
    listed = [{"Key": name, "Value": value[:TAG_LIMIT]} for name, value in values.items()]
    return [{"ResourceType": kind, "Tags": listed} for kind in ("instance", "volume")]


# --- user data ---


def user_data(vm: Element, section: Section, task: Task) -> bytes:
    """USERDATA, or what is in USERDATAFILE, else the context as context.sh has it."""
    data = section.get("USERDATA").encode() or _from_file(section.get("USERDATAFILE"), task) or _context(vm).encode()
    if (size := len(data)) > USER_DATA_LIMIT:
        raise ActionFailed(
            f"the user data have {size} bytes, and EC2 takes {USER_DATA_LIMIT}. Let a short script fetch what is long"
        )
    return data


def _context(vm: Element) -> str:
    context = vm.find("TEMPLATE/CONTEXT")
    if context is None:
        return ""
    return assignments({child.tag: child.text or "" for child in context})


def _from_file(path: str, task: Task) -> bytes:
    """What is in a file of the front-end, text or not; only of one that users may have read to them."""
    if not path:
        return b""
    safe, path = safe_directories(), os.path.normpath(path)
    if not any(Path(path).is_relative_to(os.path.normpath(directory)) for directory in safe):
        raise ActionFailed(f"USERDATAFILE: {path} is outside of the directories of CONTEXT_SAFE_DIRS in oned.conf")
    with tempfile.TemporaryDirectory() as directory:
        Gathering(Path(directory), safe, var_directory() / "vms", task).add(path)
        found = Path(directory) / Path(path).name
        if not found.is_file():
            raise ActionFailed(f"USERDATAFILE: {path} is no file")
        return found.read_bytes()
