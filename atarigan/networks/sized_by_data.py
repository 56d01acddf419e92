"""Modules whose tables are as large as the data asks for."""

from typing import Any

import torch
from torch import nn


class SizedByData(nn.Module):
    """A module that finds the sizes of its own parameters and buffers in the data; loading a state
    makes them as large as they are in it.
    """

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        own = (*self.named_parameters(recurse=False), *self.named_buffers(recurse=False))
        for name, tensor in own:
            stored = state_dict.get(prefix + name)
            if stored is not None and stored.shape != tensor.shape:
                tensor.data = torch.empty(stored.shape, dtype=tensor.dtype, device=tensor.device)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self._derive()

    def _derive(self) -> None:
        """Make what follows from the state and is not stored with it; nothing by default."""
