"""The Traditional Chinese is that of scripts/traditional.py, whose table knows every letter of the Simplified."""

from scripts.traditional import ROOT, convert, list_unknown, read_sources, read_table, write_files

AGAIN = "run `python -m scripts.traditional`"


def test_every_letter_is_known():
    assert not list_unknown(read_table()), AGAIN


def test_no_word_is_of_a_text_that_nobody_says():
    said = "".join(read_sources().values())
    assert not [word for word in read_table()["words"] if word not in said]


def test_files_are_as_the_script_writes_them():
    written = write_files(read_table())
    assert not [path.name for path, text in written.items() if path.read_text(encoding="utf-8") != text], AGAIN
    there = {*ROOT.glob("locales/zh-TW/*"), *ROOT.glob("js/docs/*/zh-TW.md")}
    assert there == written.keys() and len(there) > 30, AGAIN


def test_a_longer_word_goes_before_a_shorter_and_a_letter():
    table = {"words": {"合并": "合併", "合并排": "合並排"}, "simplified": "并发", "traditional": "並發"}
    assert convert("合并、合并排，并发 x", table) == "合併、合並排，並發 x"
