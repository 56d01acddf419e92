"""In which colors and at which size networks see the images of a source."""

from atarigan.config.run_config import RunConfig
from atarigan.images import pixels
from atarigan.images.pixels import FrameFormat


def shown_format(stored: FrameFormat, config: RunConfig) -> FrameFormat:
    """What the flags --color and --image-size make of images that are stored in a format; without
    them gray stays gray and all else is RGB.

    Raises:
        InputError: the size is none.
    """
    name = config.color
    if name == "stored":
        name = "gray" if stored.name == "gray" else "rgb"
    size = (stored.height, stored.width)
    if config.image_size is not None:
        size = pixels.parse_size(config.image_size, "--image-size")
    return FrameFormat(name, *size)
