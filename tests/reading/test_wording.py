"""What is asked fits what the person wants: everything in short, or something out of everything."""

import pytest

from gemcli.reading.wording import final_question, is_echo, is_summary, note_question


@pytest.mark.parametrize(
    "question",
    [
        "Summarize this.",
        "Give me a summary",
        "What is this document about?",
        "what are these papers about",
        "tl;dr",
        "An outline, please",
        "What are the main points?",
        "Tell me what each chapter says",
        "Fasse das zusammen",
        "Eine Zusammenfassung bitte",
        "Résume ce texte",
        "Fais-moi un résumé",
        "Resume el documento",
        "要約して",
        "Сделай краткое изложение",
    ],
)
def test_what_is_a_summary(question):
    assert is_summary(question)


@pytest.mark.parametrize(
    "question",
    [
        "List every clause about notice.",
        "Which résumés name Python?",
        "When does the work resume?",
        "What does the abstract say about mice?",
        "What is the price?",
        "",
    ],
)
def test_what_is_none(question):
    assert not is_summary(question)


def test_only_a_summary_asks_about_headings():
    assert "- One: …" in note_question("Summarize this.", "a.md L1-9", ["One"])
    asked = note_question("Who pays?", "a.md L1-9", ["One"])
    assert "One" not in asked
    assert "[a.md L1-9]" in asked
    assert "nothing" in asked


def test_the_last_question_lists_the_chapters_of_a_summary_in_order():
    asked = final_question(" Summarize this.\n", ["One", "Two"])
    assert asked.startswith("Summarize this.\n\n")
    assert asked.endswith("- One: …\n- Two: …")
    assert "One" not in final_question("Who pays?", ["One", "Two"])
    assert "One" not in final_question("Summarize this.", ["One"])


def test_an_echo_is_told_from_an_answer():
    assert is_echo("The text above is one part of a longer text.")
    assert not is_echo("The text describes the termination of the lease by either party.")
    assert not is_echo("The task")
