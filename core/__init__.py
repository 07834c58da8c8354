"""The trade itself: words, store, rounds and commands. Knows no channel by name."""
