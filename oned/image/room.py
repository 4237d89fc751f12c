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
    An image that was half written when the driver was asked stands in its answer and would count twice: where it is
    more, what was free before such images counts, less all that came since, but never more than is free now.
    """
    kept = [image for image in images if _is_inside(place, image)]
    limit = place.limit_mb
    rooms = []
    if limit is not None:
        rooms.append(limit - sum(image.room for image in kept))
    if place.total_mb:
        now = place.free_mb - sum(_coming(image, place.measured) for image in kept)
        before = place.calm_mb - sum(_coming(image, place.calm) for image in kept)
        rooms.append(max(now, min(before, place.free_mb)))
    return max(0, min(rooms)) if rooms else None


def is_calm(place: Datastore, images: Iterable[Image], asked: float) -> bool:
    """Whether what the driver answers to a question of that time has nothing of an image that counts beside it."""
    return not any(_is_new(image, asked) for image in images if _is_inside(place, image))


def _coming(image: Image, measured: float) -> int:
    """The MiB of an image that what was measured at that time may not have yet."""
    return image.room if _is_new(image, measured) else image.room - image.size


def _is_new(image: Image, measured: float) -> bool:
    return image.stored == ImageState.LOCKED or (image.made > 0 and image.made >= measured)


def _is_inside(place: Datastore, image: Image) -> bool:
    """Whether the datastore holds the image, or will: not one that was never made, nor a file elsewhere."""
    if not image.source:
        return image.stored == ImageState.LOCKED
    return image.source.startswith(f"{place.base_path}/")
