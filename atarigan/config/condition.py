"""Conditions: what a generator is told of a sample, as --condition names it."""

from atarigan.errors import InputError, did_you_mean, shown

NONE, CLASS, RAM, OBSERVATION, CODE = "none", "class", "ram", "observation", "code"
RAM_AND_ACTION = "ram+action"
INFO = "info:"  # the name of an entry of info follows
_KNOWN = (NONE, CLASS, RAM, RAM_AND_ACTION, OBSERVATION, CODE, "info:KEY")


def check_condition(condition: str, name: str = "--condition") -> None:
    """Raise InputError if a condition is unknown.

    Args:
        condition: "none"; "class"; or a state: "ram", "ram+action" (RAM and the action of the
            newest emulator frame), "observation", "info:" and the name of an entry of the
            environment's info, or "code", which an encoder reads off frames.
        name: of the setting, for the message.
    """
    if condition in _KNOWN[:-1] or (condition.startswith(INFO) and condition != INFO):
        return
    if condition in (INFO, INFO.rstrip(":")):
        raise InputError(f"{name} info needs the name of an entry of info, info:KEY")
    raise InputError(
        f"{name} must be a known condition, not {shown(condition)}: {_hint(condition)}"
    )


def is_state(condition: str) -> bool:
    """Return whether a condition is a state of an environment, or a code in its place."""
    return condition not in (NONE, CLASS)


def includes_ram(condition: str) -> bool:
    """Return whether a condition is RAM, alone or with the action."""
    return condition in (RAM, RAM_AND_ACTION)


def info_key(condition: str) -> str | None:
    """Return the name of the entry of info that a condition reads; None for other conditions."""
    return condition.removeprefix(INFO) if condition.startswith(INFO) else None


def _hint(condition: str) -> str:
    return did_you_mean(condition, _KNOWN)
