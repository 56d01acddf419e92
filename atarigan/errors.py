"""The one exception type for what a user can put right, and how it shows a value."""


class InputError(ValueError):
    """Bad input: a flag, a file or an argument that breaks a rule.

    The message is one line that names the thing, the rule and the actual value. The commands print
    it without a traceback and exit with status 2; every other exception is a defect of ours and
    keeps its traceback.
    """


def shown(value: object) -> str:
    """A value as a message shows it: on one line, of at most 60 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
