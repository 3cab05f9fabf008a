"""Who may call, and how much: keys, their file, ceilings, rates. It must not know routes."""
