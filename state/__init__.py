"""What is known: answers, fleet record, journal, events, locks, secrets, errors, questions. Imports nothing of ours."""
