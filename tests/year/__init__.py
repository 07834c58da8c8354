"""A year of trade, played through the real use cases by a simulated clock, and the books that were kept of it."""
