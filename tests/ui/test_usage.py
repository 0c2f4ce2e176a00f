"""The usage line, as far as the numbers are known."""

from gemcli.ui.usage import usage_line


def test_all_numbers():
    result = {
        "usage": {"prompt_tokens": 1234, "cached_tokens": 1000, "completion_tokens": 56},
        "timings": {"decode_tokens_per_s": 12.345, "first_token_s": 1.2, "total_s": 5.678},
    }
    tokens = "1,234 prompt tokens (1,000 cached), 56 answer tokens"
    assert usage_line(result) == f"{tokens}, 12.3 tokens/s, first token 1.20 s, total 5.68 s"


def test_unknown_numbers_are_left_out():
    assert (
        usage_line({"usage": {"prompt_tokens": 3, "cached_tokens": 0}, "timings": None}) == "3 prompt tokens"
    )
    assert usage_line({}) == "no usage is known"


def test_drafts_are_told_where_there_were_any():
    usage = {"completion_tokens": 40, "drafted_tokens": 21, "accepted_tokens": 18}
    assert usage_line({"usage": usage}) == "40 answer tokens (18 of 21 drafts right)"
    assert usage_line({"usage": usage | {"drafted_tokens": 0}}) == "40 answer tokens"
