"""Inject Facial Tokens shows which words of the prompt have a facial token."""

import pytest

pytestmark = pytest.mark.usefixtures("drawing")

NODE = "ConsistentID_InjectTokens"
WORDS = """
return [...document.querySelectorAll(".consistentid-word")]
  .map((one) => [one.textContent, one.title, one.style.getPropertyValue("--colour")]);
"""
PROMPT = "a <img src=x onerror=window.hacked=1> woman in a forest"


def test_words_with_facial_tokens_are_marked(page, editor_server):
    node = page.add_node(NODE, 500, 100)
    for kind, output in (("CheckpointLoaderSimple", "CLIP"), ("ConsistentID_LoadAdapter", "adapter")):
        loader = page.add_node(kind, 100, 100)
        page.set_widget(loader, *editor_server.standins[kind])
        page.connect(loader, output, node, output.lower())
    person = page.add_node("ConsistentID_LoadIdentity", 100, 400)
    page.set_widget(person, "name", "person.safetensors")
    page.connect(person, "identity", node, "identity")
    page.set_widget(node, "prompt", PROMPT)
    before = page.save()["nodes"][0]
    assert page.queue()["status"] == "success"

    page.find(".consistentid-word")
    words = page.evaluate(WORDS)
    assert [word for word, *_ in words] == ["face", "ears", "eyes", "nose", "mouth"]
    titles = {word: title for word, title, _ in words}
    assert titles["nose"] == "facial token of the nose"
    assert titles["ears"] == "facial token of the eyes", "the fixed sentence is crossed, as trained"
    assert len({colour for *_, colour in words}) == 5
    assert page.find(".consistentid-prompt").text.startswith(PROMPT)
    assert page.find(".consistentid-hint").text == "5 facial tokens: face, eyes, ears, nose, mouth."
    assert page.evaluate("return [window.hacked ?? null, document.querySelector('.consistentid-prompt img')];") == [
        None,
        None,
    ]
    after = page.save()["nodes"][0]
    assert after["widgets_values"] == before["widgets_values"] and len(after["widgets_values"]) == 4
