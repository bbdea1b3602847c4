"""From counts and times to decisions with their uncertainty. Pure: numbers in, numbers out."""
