"""The API of the attacks is also the one of the contract."""

from tests.support.attacked import api

__all__ = ["api"]
