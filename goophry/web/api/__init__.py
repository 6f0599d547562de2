"""The HTTP API and what stands behind the dashboard; imported only when ApiInterface is configured."""
