"""Dramatiq on Valkey: how an order's id reaches a worker thread, and a hint its watchers.

Of Dramatiq stay the messages, the lists in Valkey with the script that moves ids between them, and the worker
with its threads and their shutdown. Replaced are

* the consumer (`queue_consumer`): it waits in Valkey instead of looking every so often;
* the worker's own queue (`worker_threads`): threads sleep until there is work, and get orders past Valkey;
* the queue of delayed messages (`worker_threads`): what is due later waits in its worker, and in Postgres;
* acknowledgement that is waited for (`queue_connection`): nobody waits for what may be lost;
* all middleware (`queue_broker`): it raises inside commits, opens ports, or retries what Postgres retries.

Why, and what was measured, is in `docs/decisions/0004-own-consumer.md` and the page after it.
"""
