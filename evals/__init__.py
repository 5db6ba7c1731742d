"""Evaluation: metrics, labelled series, experiments and speed measurements. Only this package reads labels.

The path of an experiment from its TOML file to its tables: `experiment` reads the file and names the cells, `runner`
measures them in processes, `cells` measures one cell, `datasets` loads its series, `arms` post-trains its detector, and
`report` writes the tables.
"""
