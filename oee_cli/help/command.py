"""The commands about the command line itself: `help`, `completion`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated, Literal

import typer


def print_completion(
    ctx: typer.Context,
    shell: Annotated[
        Literal["bash", "zsh", "fish"],
        typer.Argument(metavar="SHELL", help="bash, zsh or fish.", show_default=False),
    ],
) -> None:
    """Print the completion script of a shell.

    \b
      oee completion bash > ~/.oee.bash && echo '. ~/.oee.bash' >> ~/.bashrc
      oee completion zsh > ~/.oee.zsh && echo '. ~/.oee.zsh' >> ~/.zshrc
      oee completion fish > ~/.config/fish/completions/oee.fish
    """
    from oee_cli.shell.completion_tree import script

    typer.echo(script(shell, ctx.find_root().command), nl=False)


def print_help(
    ctx: typer.Context,
    topic: Annotated[list[str] | None, typer.Argument(metavar="COMMAND|TOPIC", show_default=False)] = None,
) -> None:
    """Explain a command or a topic.

    \b
      oee help buy
      oee help scripting
    """
    from oee_cli.help.help_pages import find_help_page

    typer.echo(find_help_page(ctx.find_root().command, topic or []))
