"""What oned remembers of AMIs, and templates of nodes that name an image in place of an AMI."""

from typing import Any

import pytest

from oned.client.documents import Document, parse
from oned.elastic.images import record
from oned.elastic.images.catalogue import write_template
from oned.elastic.images.record import Ami
from oned.elastic.mold import Mold, find_amis
from oned.elastic.node import PLANNED
from oned.elastic.reading import Node
from oned.elastic.records import Lease, Record
from oned.template.parse import parse as parse_template

AMI = "<EC2_AMI><REGION>{0}</REGION><AMI>{1}</AMI><SNAPSHOT>snap-{1}</SNAPSHOT><SHA256>aa</SHA256></EC2_AMI>"


def image(oid: int, name: str, *amis: str, uid: int = 5) -> Document:
    said = "".join(AMI.format(*ami.split("/")) for ami in amis)
    disk = "<EC2_DISK><FILE>tag</FILE><SHA256>aa</SHA256></EC2_DISK>"
    owner = f"<UID>{uid}</UID><UNAME>u{uid}</UNAME>"
    return parse(f"<IMAGE><ID>{oid}</ID>{owner}<NAME>{name}</NAME><TEMPLATE>{disk}{said}</TEMPLATE></IMAGE>")


def pool() -> Document:
    made = Document("IMAGE_POOL")
    made.children = [image(7, "worker", "eu/ami-1"), image(8, "both", "eu/ami-2", "us/ami-3"), image(9, "none")]
    return made


def mold(text: str) -> Mold:
    return Mold(3, "cloudy", parse_template(text))


def test_a_digest_is_known_as_long_as_the_file_is_the_same() -> None:
    assert record.known_digest(image(1, "a"), "tag") == "aa"
    assert record.known_digest(image(1, "a"), "another tag") == ""
    assert record.amis(image(1, "a", "eu/ami-1")) == [Ami("eu", "ami-1", "snap-ami-1", "aa")]


@pytest.mark.parametrize(
    ("section", "ami"),
    [
        ("IMAGE = worker", "ami-1"),
        ("IMAGE = 7", "ami-1"),
        ("IMAGE = both, REGION = us", "ami-3"),
        ("IMAGE = none, AMI = ami-9", "ami-9"),
    ],
)
def test_a_template_that_names_an_image_gets_its_ami(section: str, ami: str) -> None:
    found = find_amis(mold(f"CPU = 1\nEC2 = [ {section}, INSTANCETYPE = m5.large ]\nNIC = [ NETWORK = n ]"), pool, 5)
    [cloud] = found.content.vectors("EC2")
    assert (cloud["AMI"], cloud["INSTANCETYPE"]) == (ami, "m5.large")
    assert (found.content.get("CPU"), found.content.vectors("NIC")) == ("1", [{"NETWORK": "n"}])


def test_images_are_asked_for_only_if_a_template_names_one() -> None:
    plain = mold("EC2 = [ AMI = ami-5 ]")
    assert find_amis(plain, lambda: pytest.fail("asked"), 5) is plain


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ("IMAGE = none", "image none is no AMI: onesge image publish none"),
        ("IMAGE = both", "image both is an AMI in eu, us: name a REGION"),
        ("IMAGE = worker, REGION = us", "image worker is no AMI in us: onesge image publish worker"),
        ("IMAGE = gone", "template cloudy: there is no image gone. oneimage list shows them"),
    ],
)
def test_an_image_that_is_no_ami_is_told_of_with_what_to_do(section: str, why: str) -> None:
    with pytest.raises(LookupError) as told:
        find_amis(mold(f"EC2 = [ {section} ]"), pool, 5)
    assert str(told.value) == why


def test_an_image_of_that_name_that_is_somebody_elses_is_never_taken() -> None:
    def images() -> Document:
        made = Document("IMAGE_POOL")
        made.children = [
            image(10, "worker", "eu/ami-bad", uid=9),
            *pool().children,
            image(3, "base", "eu/ami-0", uid=0),
        ]
        made.children.append(image(11, "his", "eu/ami-bad", uid=9))
        return made

    def ami(name: str) -> str:
        return find_amis(mold(f'EC2 = [ IMAGE = "{name}" ]'), images, 5).content.vector("EC2")["AMI"]

    assert (ami("worker"), ami("base"), ami("u9/his"), ami("11")) == ("ami-1", "ami-0", "ami-bad", "ami-bad")
    with pytest.raises(
        LookupError, match=r"image his is u9's, and only those of our own user and of oneadmin.*: u9/his$"
    ):
        ami("his")


def test_sections_for_ec2_in_the_newer_spelling_get_their_ami_the_nodes_token_and_its_tags() -> None:
    text = """
PUBLIC_CLOUD = [ TYPE = ec2, IMAGE = worker, CLIENT_TOKEN = theirs, TAGS = "a=b" ]
PUBLIC_CLOUD = [ TYPE = azure, IMAGE = other ]
"""
    record = Record(Node("wn001", "cloud", PLANNED, 0, "t-1"), Lease(4, "wn001", "02:00:0a:00:00:01", "10.0.0.1"))
    added = find_amis(mold(text), pool, 5).added(record, {}, {"ONESGE_NODE": "wn001"})
    ours, others = added.vectors("PUBLIC_CLOUD")
    assert ours == {"TYPE": "ec2", "AMI": "ami-1", "CLIENTTOKEN": "t-1", "TAGS": "a=b,ONESGE_NODE=wn001"}
    assert others == {"TYPE": "azure", "IMAGE": "other"}


class Sent:
    """A client that keeps what is called."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def call(self, *arguments: Any) -> None:
        self.calls.append(arguments)


def template(*sections: str) -> Document:
    told = "".join(f"<EC2>{section}</EC2>" for section in sections)
    return parse(f"<VMTEMPLATE><ID>3</ID><NAME>cloudy</NAME><TEMPLATE>{told}</TEMPLATE></VMTEMPLATE>")


def test_an_ami_is_written_into_the_section_of_its_region() -> None:
    one: Any = Sent()
    ami = Ami("us", "ami-7", "", "aa")
    write_template(one, template("<AMI>old</AMI><REGION>eu</REGION>", "<REGION>us</REGION>"), ami)
    [(method, oid, text, append)] = one.calls
    assert (method, oid, append) == ("one.template.update", 3, 1)
    assert parse_template(text).vectors("EC2") == [{"AMI": "old", "REGION": "eu"}, {"REGION": "us", "AMI": "ami-7"}]
    write_template(one, template(), ami)
    assert parse_template(one.calls[-1][2]).vectors("EC2") == [{"AMI": "ami-7"}]
    with pytest.raises(Exception, match=r"has 2 sections EC2. Give one of them REGION = us"):
        write_template(one, template("<AMI>a</AMI>", "<AMI>b</AMI>"), ami)
