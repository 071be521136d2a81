"""The conversation, headless: steps, order, skip rules, defaults, review."""
