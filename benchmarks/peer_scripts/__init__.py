"""One script per contestant, run by that contestant's own Python; each prints one JSON row as its last line."""
