"""The front desk: the API of our own and the pages, over HTTP. It decides nothing and knows no SQL and no platform."""
