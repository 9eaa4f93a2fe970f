"""Sentences that answer the question of a study, with intervals and n: at the top of its page, and in the terminal."""

from __future__ import annotations

from netagents.intervals import ENOUGH
from netagents.reports.html import short
from netagents.reports.power_study_page import power_answer
from netagents.reports.seeds_table import seeds_sentence
from netagents.reports.study_data import StudyData
from netagents.reports.study_headline import answers
from netagents.reports.study_settings import MessageValue, all_messages_baseline, best_setting, message_values


def study_sentences(data: StudyData) -> list[str]:
    """What the study says about its question, or why its seeds do not say."""
    match data.study["question"]:
        case "radius":
            return answers(data)
        case "power":
            return power_answer(data)
        case "mute":
            return [message_sentence(data)]
        case "seeds":
            return [seeds_sentence(data)]
        case _:
            return [best_setting(data)]


def message_sentence(data: StudyData) -> str:
    """Which kind of message costs most when it is cut, which others are worth something, and which nothing that shows."""
    values = [each for each in message_values(data) if each.muted != "everything"]
    whole = f"{data.measure} {all_messages_baseline(data).text(number=short)} with every message"
    if not values:
        return f"These agents send each other nothing that could be cut: {whole}."
    worst = max(values, key=lambda each: each.lost)
    without = f"{worst.final.text(number=short)} without {worst.muted}"
    fewest = min(all_messages_baseline(data).n, *(each.final.n for each in values))
    if fewest < ENOUGH:
        return f"Too few seeds to say what a message is worth (n = {fewest}, {ENOUGH} at least): {whole}, {without}."
    needed = sorted((each for each in values if each.order == "higher"), key=lambda each: -each.lost)
    better = [each for each in values if each.order == "lower"]
    rest = [each for each in values if each.order == "not told apart"]
    if needed:
        parts = [f"{needed[0].muted} is worth most: {whole}, {without}"]
        parts += [f"beyond chance something is lost without {_names(needed[1:])}, too"] if needed[1:] else []
    else:
        parts = [f"These seeds show of no kind of message that it is worth anything: {whole}, at worst {without}"]
    parts += [f"more is reached without {_names(better)}"] if better else []
    parts += [f"nothing beyond chance without {_names(rest)}"] if rest and needed else []
    return f"{'; '.join(parts)}."


def _names(values: list[MessageValue]) -> str:
    return ", ".join(each.muted for each in values)
