"""Pretraining of the rule discriminator on generated processes."""
