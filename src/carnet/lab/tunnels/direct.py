"""No tunnel at all: the class goes as the network takes it."""

from carnet.lab.stage import Stage


class Direct:
    """The student calls the classroom's address."""

    name = "direct"
    title = "no tunnel"

    async def up(self, stage: Stage) -> None:
        """Nothing to do: the world links student and classroom."""
