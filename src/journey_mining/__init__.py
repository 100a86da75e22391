"""Customer journeys from event logs, with numbers that can be checked."""
