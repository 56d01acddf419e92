"""The one exception type for what a user can put right."""


class InputError(ValueError):
    """Bad input: a flag, a file or an argument that breaks a rule.

    The message is one line that names the thing, the rule and the actual value. The commands print
    it without a traceback and exit with status 2; every other exception is a defect of ours and
    keeps its traceback.
    """
