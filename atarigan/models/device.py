"""The device to compute on, and the threads of forked processes."""

import os

import torch

from atarigan.errors import InputError


def choose_device(name: str) -> torch.device:
    """Return the named device; `auto` is CUDA if available, otherwise the CPU.

    Raises:
        InputError: the name is unknown, or CUDA is not available.
    """
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise InputError("--device cuda needs a CUDA device, and torch finds none")
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device must be auto, cpu or cuda, not {name!r}")
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")


def _use_one_thread() -> None:
    torch.set_num_threads(1)


# A forked process, such as one of Gymnasium's AsyncVectorEnv, lacks the threads of OpenMP, and
# GNU's OpenMP would wait for them forever.
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_use_one_thread)
