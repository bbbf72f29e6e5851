"""`oee help`: the help of a command, as Typer built it, or a topic's text."""

from __future__ import annotations

from typing import Any

from oee_cli.text.topic_text import TOPICS, list_topics
from oee_cli.wrong_usage import guess_error


def find_help_page(root: Any, words: list[str]) -> str:
    """The help of a command, or of a topic. Raises `UsageFault` for what there is not."""
    topic = TOPICS.get("-".join(words))
    if topic is not None:
        return topic.text().rstrip("\n")
    context = root.context_class(root, info_name="oee", **root.context_settings)
    command = root
    for word in words:
        known = getattr(command, "commands", {})
        if word not in known:
            names = [*known, *(TOPICS if command is root else ())]
            what = f"There is no help on {' '.join(words)!r}."
            raise guess_error(what, word, names, "oee help ", "See: oee help")
        command = known[word]
        context = command.context_class(command, parent=context, info_name=word)
    text = str(command.get_help(context))
    return text if words else f"{text}\n\nTopics:\n{list_topics()}"
