"""The guard of the simulated network: one instruction, of its one program, that says what the plan says."""

from __future__ import annotations

from solders.message import from_bytes_versioned

from oee_daemon.errors import UnsafeSwap
from oee_daemon.networks.simulated.simulated_instruction import PROGRAM, instruction_of
from oee_daemon.networks.venue import Plan
from oee_daemon.orders.swap import UnsignedSwap


class SimulatedGuard:
    """Allows nothing but the simulated swap itself."""

    async def check(self, unsigned: UnsignedSwap, plan: Plan) -> None:
        message = from_bytes_versioned(unsigned.message)
        if str(message.account_keys[0]) != plan.payer:
            raise UnsafeSwap(f"{message.account_keys[0]} would pay, not {plan.payer}.")
        programs = [message.account_keys[i.program_id_index] for i in message.instructions]
        if programs != [PROGRAM]:
            raise UnsafeSwap(f"It calls {', '.join(map(str, programs))}, not the simulated program alone.")
        if bytes(message.instructions[0].data) != instruction_of(plan):
            raise UnsafeSwap("It says something else than the plan: the bound, the amounts, or whose it is.")
