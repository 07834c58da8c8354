"""Configuration: `config/*.toml` as typed settings; every problem names its file, its key and its cure."""

from core.settings.keys import ChannelSettings
from core.settings.secret import Secret
from core.settings.wrong import wrong

__all__ = ["ChannelSettings", "Secret", "wrong"]
