"""What may be signed on Solana: by the bytes, and by what they would do."""
