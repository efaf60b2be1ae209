"""Black-box load: clients over HTTP in processes of their own."""
