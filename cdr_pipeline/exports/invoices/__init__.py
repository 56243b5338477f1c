"""Page of a carrier and billing period."""
