"""The state machine of `test_life`: channels, books and rules."""
