"""Identities and signatures of documents."""
