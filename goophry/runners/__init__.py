"""How an entry is executed. This room knows neither Redis nor the threads above it."""
