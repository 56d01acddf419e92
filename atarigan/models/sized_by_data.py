"""Modules whose tables are as large as the data asks for."""

from typing import Any

import torch
from torch import nn


class SizedByData(nn.Module):
    """A module that finds the sizes of its own parameters and buffers in the data; loading a state
    makes them as large as they are in it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_post_hook(_complete)  # type: ignore[no-untyped-call]

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        own = (*self.named_parameters(recurse=False), *self.named_buffers(recurse=False))
        for name, tensor in own:
            stored = state_dict.get(prefix + name)
            if stored is not None and stored.shape != tensor.shape:
                tensor.data = torch.empty(stored.shape, dtype=tensor.dtype, device=tensor.device)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _check(self) -> None:
        """Compare what was loaded: a file may claim anything. Raises ValueError."""

    def _derive(self) -> None:
        """Make what follows from the state and is not stored with it; nothing by default."""

    def _expect(self, name: str, shape: tuple[int, ...], values: range | None = None) -> None:
        """Raise ValueError where a tensor has another shape, or values that are not in a range."""
        tensor = getattr(self, name)
        if tensor.shape != shape:
            raise ValueError(f"{name} must be {shape}, not {tuple(tensor.shape)}")
        if values is not None and tensor.numel():
            least, most = (int(each) for each in tensor.aminmax())
            if least not in values or most not in values:
                raise ValueError(
                    f"{name} must be {values.start} to {values.stop - 1}, not {least} to {most}"
                )


def _complete(module: SizedByData, incompatible: Any) -> None:
    """Check and derive, once the module and those inside it were loaded; what is missing is said
    elsewhere.
    """
    if not incompatible.missing_keys:
        module._check()
        module._derive()
