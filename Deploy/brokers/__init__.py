"""Kafka's protocol, as far as making and checking the topics of a stream needs it. Standard library only: works wherever Python 3.9 does."""
