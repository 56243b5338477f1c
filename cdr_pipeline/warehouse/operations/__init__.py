"""Operations: health queries and the identity of the warehouse."""
