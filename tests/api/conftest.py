"""The API of the attacks is also the one of the contract."""

from attacked import api

__all__ = ["api"]
