"""HTTP: the server and the pages. Imported only when an interface is configured."""
