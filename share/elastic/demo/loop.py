"""onesge's loop, as `onesge run` is it."""

import os

from oned.elastic.batch import Batch
from oned.elastic.daemon import main
from oned.elastic.settings import ElasticConfig
from oned.elastic.sge.master import GridEngine
from oned.elastic.sge.place import read_place
from oned.locations import Locations


def batch(config: ElasticConfig, _records: object) -> Batch:
    """Grid Engine where the settings say."""
    return GridEngine(read_place(config))


if __name__ == "__main__":
    settings = ElasticConfig.load(Locations.of(os.environ).onesge_conf)
    main(settings, batch, once=False, dry=False, stderr=True)
