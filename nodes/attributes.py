"""A person with other attributes: older, with other hair, with glasses."""

from comfy_api.latest import io

from ..consistentid.attributes import ATTRIBUTES, change_attributes
from ..consistentid.identity import Identity
from .boundary import sockets

EXAMPLES = {
    "age": "old, young, middle-aged",
    "gender": "woman, man: in place of that word of the prompt",
    "hair": "long blond hair, an afro, a bald head",
    "eyes": "blue eyes",
    "glasses": "round glasses",
    "beard": "a full beard, a moustache",
    "skin": "freckles, dark skin",
    "expression": "smiling, looking surprised",
}


class ChangeAttributes(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConsistentID_ChangeAttributes",
            display_name="Change Attributes",
            category=sockets.IDENTITY,
            description=(
                "The person older, with other hair, with glasses: writes it into prompt and description, and has of "
                "the person give way what stands against it. An empty field changes nothing."
            ),
            **sockets.list_aliases("age", "hair", "glasses", "beard", "edit face", "年龄", "发型"),
            inputs=[
                sockets.Identity.Input("identity", tooltip="From Encode Identity, Load Identity or a node that mixes"),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    dynamic_prompts=True,
                    default="",
                    tooltip="What the picture shows, with a word for the person: a woman in a park",
                ),
                *(io.String.Input(name, default="", tooltip=f"Such as: {EXAMPLES[name]}") for name in ATTRIBUTES),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Higher: the change is seen more, the person less. 0: only words change",
                ),
            ],
            outputs=[
                sockets.Identity.Output(
                    "changed", display_name="identity", tooltip="For Inject Facial Tokens and Apply ConsistentID"
                ),
                io.String.Output("changed_prompt", display_name="prompt", tooltip="For Inject Facial Tokens"),
                io.Float.Output("weight", display_name="weight", tooltip="For Apply ConsistentID"),
                sockets.Schedule.Output("schedule", display_name="schedule", tooltip="For Apply ConsistentID"),
            ],
        )

    @classmethod
    def execute(cls, identity: Identity, prompt: str, strength: float, **changes: str) -> io.NodeOutput:
        changed = change_attributes(identity, prompt, changes, strength)
        return io.NodeOutput(changed.identity, changed.prompt, changed.weight, changed.schedule)
