"""Why a swap failed on the chain: the program that failed and its error's name, as one of our codes.

A number means another thing in each program and changes between a program's releases, a name stays: so the
name in the logs comes first, then the number for the program that failed. What is not known here is
`swap_failed`, and may be tried again: a failed swap moved nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from oee_daemon.networks.solana.solana_programs import (
    AMM_V4,
    CPMM,
    CPMM_ON_DEVNET,
    DAMM_V2,
    DLMM,
    JUPITER,
    SYSTEM,
    TOKEN,
    TOKEN_2022,
    WHIRLPOOL,
)
from oee_daemon.orders.swap import Rejected

#: What each of our codes says, and whether another attempt may go better.
SENTENCES: Mapping[str, tuple[str, bool]] = {
    "slippage_exceeded": ("the price moved beyond the slippage limit before the swap landed", True),
    "insufficient_funds": ("the wallet holds too little for the swap and its fees", False),
    "insufficient_liquidity": ("the pool holds too little for this amount", True),
    "compute_exceeded": ("the swap needed more compute units than it asked for", True),
    "account_missing": ("an account that the swap needs is missing or of another kind", False),
    "swap_failed": ("the swap failed on the chain", True),
}

#: Errors by the name in the logs, of any program.
NAMES: Mapping[str, str] = {
    # https://github.com/jup-ag/docs (swap/v1/common-errors.mdx)
    "SlippageToleranceExceeded": "slippage_exceeded",
    "ExactOutAmountNotMatched": "slippage_exceeded",
    "InsufficientFunds": "insufficient_funds",
    "InvalidTokenAccount": "account_missing",
    "IncorrectTokenProgramID": "account_missing",
    # https://github.com/raydium-io/raydium-cp-swap (programs/cp-swap/src/error.rs)
    "ExceededSlippage": "slippage_exceeded",
    # https://github.com/raydium-io/raydium-clmm (programs/amm/src/error.rs)
    "TooLittleOutputReceived": "slippage_exceeded",
    "TooMuchInputPaid": "slippage_exceeded",
    "PriceSlippageCheck": "slippage_exceeded",
    "LiquidityInsufficient": "insufficient_liquidity",
    # @meteora-ag/dlmm and @meteora-ag/cp-amm-sdk, their interfaces
    "ExceededAmountSlippageTolerance": "slippage_exceeded",
    "ExceededBinSlippageTolerance": "slippage_exceeded",
    "PairInsufficientLiquidity": "insufficient_liquidity",
    "InsufficientLiquidity": "insufficient_liquidity",
    "InsufficientOutAmount": "slippage_exceeded",
    # https://github.com/orca-so/whirlpools (programs/whirlpool/src/errors.rs)
    "AmountOutBelowMinimum": "slippage_exceeded",
    "AmountInAboveMaximum": "slippage_exceeded",
}

#: Errors by the number of the program that failed; the sources are those of `NAMES`.
NUMBERS: Mapping[tuple[str, int], str] = {
    (JUPITER, 6001): "slippage_exceeded",
    (JUPITER, 6017): "slippage_exceeded",
    (JUPITER, 6024): "insufficient_funds",
    (JUPITER, 6025): "account_missing",
    (JUPITER, 6014): "account_missing",
    (CPMM, 6005): "slippage_exceeded",
    (CPMM_ON_DEVNET, 6005): "slippage_exceeded",
    (AMM_V4, 30): "slippage_exceeded",
    (DLMM, 6003): "slippage_exceeded",
    (DLMM, 6004): "slippage_exceeded",
    (DLMM, 6012): "insufficient_liquidity",
    (DAMM_V2, 6002): "slippage_exceeded",
    (DAMM_V2, 6023): "insufficient_liquidity",
    (WHIRLPOOL, 6036): "slippage_exceeded",
    (WHIRLPOOL, 6037): "slippage_exceeded",
    # https://github.com/solana-program/system and /token (error.rs): a result below zero, too few tokens.
    (SYSTEM, 1): "insufficient_funds",
    (TOKEN, 1): "insufficient_funds",
    (TOKEN_2022, 1): "insufficient_funds",
}

#: Errors that the runtime gives by name: the transaction's own, or an instruction's.
#: https://github.com/anza-xyz/solana-sdk (transaction-error, instruction-error)
RUNTIME: Mapping[str, str] = {
    "InsufficientFundsForFee": "insufficient_funds",
    "InsufficientFundsForRent": "insufficient_funds",
    "AccountNotFound": "insufficient_funds",
    "InsufficientFunds": "insufficient_funds",
    "ComputationalBudgetExceeded": "compute_exceeded",
    "MissingAccount": "account_missing",
    "NotEnoughAccountKeys": "account_missing",
    "UninitializedAccount": "account_missing",
    "InvalidAccountData": "account_missing",
}

_NAMED = re.compile(r"Program log: AnchorError .*?Error Code: (\w+)\.")
_FAILED = re.compile(r"Program (\w{32,44}) failed: (?:custom program error: (0x[0-9a-f]+)|(.*))")


def rejection(err: Any, logs: Sequence[str] | None) -> Rejected:
    """What an error of a landed, or simulated, transaction means. `err` as the RPC gives it, not null."""
    code, detail = _code(err, [line for line in logs or () if isinstance(line, str)])
    message, retryable = SENTENCES[code]
    shown = f" ({detail})" if code == "swap_failed" and detail else ""
    return Rejected(code, message + shown, retryable)


def _code(err: Any, logs: Sequence[str]) -> tuple[str, str]:
    """One of our codes, and what failed in the words of whoever failed."""
    name = _runtime_name(err)
    if name in RUNTIME:
        return RUNTIME[name], name
    named = next((str(found[1]) for line in logs if (found := _NAMED.match(line))), None)
    if named is not None and named in NAMES:
        return NAMES[named], named
    # The innermost program says why; those that called it only pass its error on.
    failed = next((found for line in logs if (found := _FAILED.match(line))), None)
    if failed is not None and failed[2] is not None:
        number = int(failed[2], 16)
        known = NUMBERS.get((failed[1], number), "swap_failed")
        return known, named or f"{failed[1][:8]} {number}"
    return "swap_failed", named or ("" if name == "Custom" else name[:60])


def _runtime_name(err: Any) -> str:
    """`"AccountNotFound"`, `{"InsufficientFundsForRent": …}`, `{"InstructionError": [4, "…"]}`."""
    if isinstance(err, Mapping) and len(err) == 1:
        (name, inner), *_ = err.items()
        if name == "InstructionError" and isinstance(inner, list) and len(inner) == 2:
            return _runtime_name(inner[1])
        return str(name)
    return err if isinstance(err, str) else ""
