"""Memory that is freed between blocks is kept during a load, and returned after the last load."""

import pytest

from cdr_pipeline.files import reused_memory as module
from cdr_pipeline.files.reused_memory import reused_memory


def test_memory_is_kept_until_the_last_load_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(module, "_set_threshold", calls.append)
    monkeypatch.setattr(module, "_return_memory", lambda: calls.append("returned"))
    with reused_memory():
        with pytest.raises(ValueError, match="bad file"), reused_memory():
            raise ValueError("bad file")
        assert calls == [256 * 1024**2]
    assert calls == [256 * 1024**2, 16 * 1024**2, "returned"]


def test_a_system_without_glibc_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.ctypes, "CDLL", lambda _: object())
    with reused_memory():
        pass
