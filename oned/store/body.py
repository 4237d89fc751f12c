"""The JSON of a body column: the stored form of an object, a record, an intent or a reason."""

from typing import Any

import orjson


def encoded(form: Any) -> str:
    """The text of the column. Raises TypeError for what is not JSON."""
    return orjson.dumps(form).decode()


def decoded(body: str) -> Any:
    """The form again. Raises ValueError."""
    return orjson.loads(body)
