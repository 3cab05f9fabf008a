"""Who is written for, and when: places for drafts, room in the KV cache, and the queue for both."""
