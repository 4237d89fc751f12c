"""How much room a datastore has for new images, by what its images may come to take."""

from collections.abc import Iterable

from oned.datastore.datastore import Datastore
from oned.image.image import Image
from oned.image.states import ImageState


def left(place: Datastore, images: Iterable[Image]) -> int | None:
    """The MiB that new images may take, 0 or more; None if nothing is known of the datastore.

    images  those of the datastore: each counts in full against LIMIT_MB, however little of it is written yet, and
            against what the driver measured as long as it is being made, was whole only after it was asked, or by what
            it is to grow
    """
    kept = [image for image in images if _is_inside(place, image)]
    limit = place.template.get("LIMIT_MB", "").strip()
    rooms = []
    if limit.isdecimal():
        rooms.append(int(limit) - sum(image.room for image in kept))
    if place.total_mb:
        rooms.append(place.free_mb - sum(_coming(place, image) for image in kept))
    return max(0, min(rooms)) if rooms else None


def _coming(place: Datastore, image: Image) -> int:
    """The MiB of an image that what was measured may not have yet."""
    if image.stored == ImageState.LOCKED or (image.made > 0 and image.made >= place.measured):
        return image.room
    return image.room - image.size


def _is_inside(place: Datastore, image: Image) -> bool:
    """Whether the datastore holds the image, or will: not one that was never made, nor a file elsewhere."""
    if not image.source:
        return image.stored == ImageState.LOCKED
    return image.source.startswith(f"{place.base_path}/")
