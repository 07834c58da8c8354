"""The metrics of a period: sums of the daily facts, by whatever they are broken down by."""
