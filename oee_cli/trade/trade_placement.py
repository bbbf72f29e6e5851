"""`oee buy` and `oee sell`: an order that is placed now, and followed to its end."""

from __future__ import annotations

import time
from dataclasses import replace

from oee_cli.api.client_http import session
from oee_cli.api.client_place_once import dry_run_order, place_once
from oee_cli.cli_errors import Refused, UsageFault
from oee_cli.exit_codes import ExitCode
from oee_cli.options import PlaceOptions
from oee_cli.output import Output
from oee_cli.text.key_text import read_key
from oee_cli.text.option_text import say_options
from oee_cli.text.request_text import TradeRequest, make_order_body
from oee_cli.text.time_text import read_duration


def place_order(request: TradeRequest, options: PlaceOptions) -> ExitCode:
    """Places one order, bound by the options, and follows it. Everything typed is checked before anything is
    started."""
    output = Output(options.json, options.quiet, options.no_color)
    bound = replace(request, max_spend=options.max_spend, min_receive=options.min_receive)
    body = make_order_body(replace(bound, terms=options.terms, valid_for=options.valid_for))
    timeout = read_duration(options.timeout, "--timeout")
    if options.events and options.detach:
        # A program that reads events would be given an id instead.
        raise UsageFault(
            "--events says nothing with --detach: nobody waits for them.",
            hint="Leave one out; later: oee watch ID --json",
        )
    key = read_key(options.key)
    with session(output, places=True) as client:
        began = time.monotonic()
        client.patience.until = began + timeout
        try:
            if options.dry_run:
                return dry_run_order(client, output, body, key)
            drawn = output.live and not options.detach and not options.events
            order, made = place_once(client, output, body, key, began + timeout, announce=not drawn)
        except (UsageFault, Refused) as e:
            say_options(e)
            raise
        if options.detach:
            output.answer(order, order["orderId"], bare=True)
            return ExitCode.DONE
        from oee_cli.api.client_follow_order import watch_to_end

        note = f"key {made}" if key is None else None
        return watch_to_end(
            client, output, order, timeout=timeout, began=began, events=options.events, note=note
        )
