"""The command line. Running goophry imports `main`, `flags` and `run` only; commands bring typer with them."""
