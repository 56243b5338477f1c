"""Operations: status, health, alerts."""
