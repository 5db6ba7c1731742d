"""Reading of files and tables into the parts of a series: dialect, table, numbers, times, columns, grid, report."""
