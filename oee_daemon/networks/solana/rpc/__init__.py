"""How Solana's RPC is asked: addresses, what counts as an answer, endpoints, and several of them as one."""
