"""Modules whose parameters and buffers get their sizes from data."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class SizedByData(nn.Module):
    """A module whose tables are empty until `fit` or `load_state_dict` sizes them.

    `nn.Module.load_state_dict` refuses tensors of another shape. This one resizes its own tensors
    to the stored shapes first, and then checks them and computes what depends on them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_post_hook(_complete)  # type: ignore[no-untyped-call]

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        stored_here = {
            name.removeprefix(prefix): tensor
            for name, tensor in state_dict.items()
            if name.startswith(prefix)
        }
        for name, tensor in self._later_than(stored_here).items():
            state_dict.setdefault(prefix + name, tensor)
        own = (*self.named_parameters(recurse=False), *self.named_buffers(recurse=False))
        for name, tensor in own:
            stored = state_dict.get(prefix + name)
            if stored is not None and stored.shape != tensor.shape:
                tensor.data = torch.empty(stored.shape, dtype=tensor.dtype, device=tensor.device)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _later_than(self, stored: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return what files of earlier versions lack, by name, for the tensors of the module that a
        file holds; nothing by default.
        """
        return {}

    def _check(self) -> None:
        """Validate the loaded tensors, which may come from an untrusted file.

        Raises:
            ValueError: a shape or a value is wrong.
        """

    def _derive(self) -> None:
        """Compute the tensors that are not stored; does nothing by default."""

    def _expect(self, name: str, shape: tuple[int, ...], values: range | None = None) -> None:
        """Raise ValueError if a tensor has another shape, or values outside of a range."""
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
    """Finish loading; torch itself reports missing tensors.

    Of a module that was built on torch's meta device to try its sizes, nothing is derived.
    """
    if incompatible.missing_keys:
        return
    module._check()
    if not any(buffer.is_meta for buffer in module.buffers(recurse=False)):
        module._derive()
