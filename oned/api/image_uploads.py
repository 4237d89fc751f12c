"""oned.image.upload*: images of files that only the client's machine has. The bytes come by PUT: watch/uploads.py."""

import re
from collections import Counter

from oned.api.call import Call
from oned.api.image import check_room, described, place_of, register
from oned.api.registry import method
from oned.datastore.datastore import Datastore
from oned.errors import ActionError, NoExists
from oned.ids import Kind
from oned.image import allocate as rules
from oned.image.image import Image
from oned.image.uploads import AT_ONCE, SPARE, Promise, Upload
from oned.numbers import MOST_MIB, whole
from oned.pool.charges import holders
from oned.quota.usage import of_image

MIB = 1 << 20
_SHA256 = re.compile("[0-9a-f]{64}")
AGAIN = "Begin again: oneimage create --upload"


@method("oned.image.upload", forms=("template datastore size sha256", "template datastore size sha256 skip"))
async def upload(call: Call, template: str, datastore: int, size: str, sha256: str, skip: bool = False) -> str:
    """Begin to send a file that an image is made of, or go on with it: the answer is its name below /uploads/.

    template  that of the image; PATH is where the file is on the client's machine
    size      its bytes, as decimal digits; sha256 its checksum in hexadecimal ones
    skip      do not look whether it fits into the datastore; only for oneadmin's group
    Errors: those of one.image.allocate; ACTION (no room to keep it, too many at once).
    Since: oned.
    """
    uploads = call.services.uploads
    space = await uploads.space()
    call.demand_create(Kind.IMAGE)
    place = place_of(call, datastore)
    image = _sent(call, template, place)
    promise = Promise(call.user.id, template, datastore, _bytes(size), _checked(sha256))
    if there := uploads.same(promise):
        return there.name
    image.size = -(-promise.size // MIB)
    _check_fits(call, place, image, skip=skip)
    if len(uploads.coming(call.user.id)) >= AT_ONCE:
        raise ActionError(detail=f"You send {AT_ONCE} files already. Let one of them end first")
    if promise.size + uploads.promised > space - SPARE:
        left = max(0, space - SPARE - uploads.promised) // MIB
        raise ActionError(detail=f"The front-end has {left} MiB left to keep what is sent, it needs {image.size}")
    try:
        return uploads.begin(promise, image).name
    except OSError as error:
        raise ActionError(detail=f"The front-end cannot keep what is sent: {error.strerror}") from error


@method("oned.image.uploaded", forms=("name", "name skip"))
async def uploaded(call: Call, name: str, skip: bool = False) -> Image:
    """Register the image of a file that was sent; it is LOCKED until its datastore driver has copied it.

    Asked again, it answers the same image.
    skip  as for oned.image.upload
    Errors: those of one.image.allocate; ACTION (no such upload, bytes are missing, another checksum).
    Since: oned.
    """
    uploads = call.services.uploads
    found = uploads.find(name, call.user.id)
    if found is None:
        detail = "You have no upload of that name: it had no byte for long, failed, or oned restarted"
        raise ActionError(detail=f"{detail}. {AGAIN}")
    if found.made >= 0:
        return _made(call, found)
    if found.ending or found.missing:
        detail = "another call makes the image" if found.ending else "send the others"
        raise ActionError(detail=f"{found.offset} of {found.promise.size} bytes came: {detail}")
    found.ending = True
    try:
        return await _registered(call, found, skip=skip)
    except BaseException:
        uploads.drop(found)
        raise
    finally:
        found.ending = False


def _bytes(text: str) -> int:
    size = whole(text, MOST_MIB * MIB)
    if size <= 0:
        raise rules.refused(f"The size of the file is a number of bytes above 0, not {text!r}")
    return size


def _checked(text: str) -> str:
    if not _SHA256.fullmatch(text.lower()):
        raise rules.refused(f"The SHA-256 checksum has 64 hexadecimal digits, unlike {text!r}")
    return text.lower()


def _sent(call: Call, template: str, place: Datastore) -> Image:
    """The image of a template, whose PATH is where its file is with the client."""
    image = described(call, template, place)
    if not image.path:
        raise rules.refused("An image that is uploaded has a PATH: where its file is on your machine")
    return image


def _check_fits(call: Call, place: Datastore, image: Image, *, skip: bool) -> None:
    """NotAuthorized or AllocateFailed if quotas or the datastore have no room for it beside what is on its way."""
    mine, wanted = call.services.uploads.coming(call.user.id), Counter(of_image(image))
    for other in mine:
        wanted.update(of_image(other.image))
    call.charge(holders(image.uid, image.gid), wanted)
    beside = sum(one.image.size for one in call.services.uploads.coming() if one.image.datastore == place.id)
    check_room(call, place, image.size + beside, skip=skip)


def _made(call: Call, upload: Upload) -> Image:
    """The image that an upload has become."""
    image = call.pools.images.peek(upload.made)
    if image is None or (image.uid, image.name) != (upload.image.uid, upload.image.name):
        raise NoExists(kind=Kind.IMAGE.value, id=upload.made)
    return image


async def _registered(call: Call, upload: Upload, *, skip: bool) -> Image:
    if upload.sum.hexdigest() != upload.promise.sha256:
        detail = f"What came has the checksum {upload.sum.hexdigest()}, not {upload.promise.sha256}: it was removed"
        raise ActionError(detail=f"{detail}. {AGAIN}")
    call.demand_create(Kind.IMAGE)
    image = _sent(call, upload.promise.template, place_of(call, upload.promise.datastore))
    image.origin_path, image.path = image.path, str(upload.path)
    made = await register(call, image, skip=skip)
    upload.made = made.id
    return made
