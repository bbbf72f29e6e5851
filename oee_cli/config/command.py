"""The commands of `oee config`.

Only signatures and help: what a command needs is imported when it runs.
"""

from __future__ import annotations

from typing import Annotated

import typer

from oee_cli import options as o
from oee_cli.exit_codes import ExitCode
from oee_cli.lazy_commands import PlainCommand, group
from oee_cli.output import Output

Name = Annotated[
    str, typer.Argument(metavar="SETTING", help="Its name: port, or OEE_PORT.", show_default=False)
]

config_app = group(
    """Look at settings and change them.

    The environment wins over config.toml, which wins over the default. A file in the working
    folder is never read.

    \b
      oee config show --origin      every setting, and where its value comes from
      oee config set port 4000      in config.toml, which every command reads
    """
)


@config_app.command("show", cls=PlainCommand)
def show_settings(
    origin: Annotated[bool, typer.Option("--origin", help="Where each value comes from.")] = False,
    json: o.JsonArray = False,
    no_color: o.NoColor = False,
) -> None:
    """Every setting with its value; passwords are masked.

    \b
      oee config show --origin
      oee config show --json | jq -r '.[] | select(.origin == "file") | .name'
    """
    from oee_cli.config.config_values import show_settings

    show_settings(origin, Output(json, no_color=no_color))


@config_app.command("path", cls=PlainCommand)
def show_config_path(json: o.Json = False) -> None:
    """Print where config.toml is, or would be.

    \b
      oee config path
      oee config path --json
    """
    from oee_cli.config.config_values import show_config_path

    show_config_path(Output(json))


@config_app.command("get", cls=PlainCommand)
def show_setting(name: Name, json: o.Json = False) -> None:
    """Print the value that counts, passwords and all; nothing where it is not set.

    \b
      oee config get port
      oee config get OEE_DATABASE_URL --json
    """
    from oee_cli.config.config_values import show_setting

    show_setting(name, Output(json))


@config_app.command("set", cls=PlainCommand)
def set_setting(
    name: Name,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="- reads it from standard input.", show_default=False)
    ],
    yes_real_money: Annotated[
        bool, typer.Option("--yes-real-money", help="Orders may spend real money: ask nobody.")
    ] = False,
    json: o.Json = False,
    no_color: o.NoColor = False,
) -> ExitCode:
    """Write a setting to config.toml.

    It is checked first; everything else in the file, comments too, stays as it is. Where a value lets
    orders spend real money, its word has to be typed once more.

    \b
      oee config set port 4000
      oee daemon token | oee config set token -
    """
    from oee_cli.config.config_values import set_setting

    return set_setting(name, value, Output(json, no_color=no_color), yes_real_money=yes_real_money)


@config_app.command("unset", cls=PlainCommand)
def unset_setting(name: Name, json: o.Json = False, no_color: o.NoColor = False) -> None:
    """Take a setting out of config.toml.

    \b
      oee config unset port
      oee config unset OEE_URL --json
    """
    from oee_cli.config.config_values import unset_setting

    unset_setting(name, Output(json, no_color=no_color))
