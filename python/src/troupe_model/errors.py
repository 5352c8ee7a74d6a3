"""What goes wrong, in words for the person who trained the model."""


class ExportError(ValueError):
    """The model can't be exported. The message says why, where, and what to do about it."""


def first_line(error: Exception) -> str:
    """What an exception says, without the pages that some add."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
