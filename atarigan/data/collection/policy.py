"""What acts at each agent step."""

from typing import Any, Protocol

from atarigan.data.collection.screen import Screen


class Policy(Protocol):
    """Chooses an action at each agent step."""

    def begin_episode(self) -> None:
        """Forget the last episode."""
        return

    def act(self, screen: Screen) -> Any:
        """Return an action of the environment's action space."""
