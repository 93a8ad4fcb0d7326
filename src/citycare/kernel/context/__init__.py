"""The frame of every action: who acts, for what purpose, when, over which connection."""

from citycare.kernel.context.model import (
    ANONYMOUS,
    SYSTEM,
    Actor,
    App,
    Channel,
    Context,
    Grant,
    Role,
)

__all__ = ["ANONYMOUS", "SYSTEM", "Actor", "App", "Channel", "Context", "Grant", "Role"]
