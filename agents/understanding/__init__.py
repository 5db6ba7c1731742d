"""Understand what people write about a series: what each sentence means, and the sizes, times and channels in it."""
