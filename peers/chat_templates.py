"""Conversations as transformers' `apply_chat_template` writes them, by a real model's own template, or by one of ours with its
tokenizer where it has none: texts, and of the first token ids too. (What transformers makes of the Gemma file's SentencePiece
splits words otherwise than llama.cpp, to which vene's tokenizers are held.)

    python peers/chat_templates.py

The models are GGUF files, which `VENE_MODELS` has (default: `.cache/models`). Of their templates nothing is kept here.
"""

import json
import os
import pathlib
import sys
import tempfile

import gguf
from transformers import AutoTokenizer

import vene

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = pathlib.Path(os.environ.get("VENE_MODELS", ROOT / ".cache/models"))
FILES = ("smollm2-135m-instruct-q4_1.gguf", "gemma-3-270m-q4_k_m.gguf")

USER = {"role": "user", "content": "  What is the capital of Spain?\n"}
ANSWER = {"role": "assistant", "content": "Madrid. "}
SYSTEM = {"role": "system", "content": "Be brief."}
CONVERSATIONS = [
    [USER],
    [SYSTEM, USER],
    [USER, ANSWER, USER],
    [SYSTEM, USER, ANSWER, {"role": "user", "content": "And of \u00d6sterreich? \U0001f600 <|im_end|> \"quoted\""}],
    [{"role": "user", "content": ""}],
    [{"role": "user", "content": "user\nassistant\n"}, ANSWER, {"role": "user", "content": "system"}],
    # Answers that were begun.
    [USER, ANSWER],
    [SYSTEM, USER, {"role": "assistant", "content": "The capital"}],
]


def own_template(path: pathlib.Path) -> str | None:
    """The template in a file's metadata."""
    field = gguf.GGUFReader(path).get_field("tokenizer.chat_template")
    return None if field is None else field.contents()


def with_template(path: pathlib.Path, template: str, folder: str) -> pathlib.Path:
    """The same file with another template in its metadata."""
    reader, copy = gguf.GGUFReader(path), pathlib.Path(folder) / path.name
    writer = gguf.GGUFWriter(copy, reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "tokenizer.chat_template"):
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], inner)
    writer.add_chat_template(template)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return copy


def compare(path: pathlib.Path, template: str, with_ids: bool) -> tuple[int, list[str]]:
    """How many conversations are alike, and what differs in the others."""
    own = vene.load(path)
    theirs = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    alike, different = 0, []
    for turns in CONVERSATIONS:
        begun = turns[-1]["role"] == "assistant"
        how = {"chat_template": template, "add_generation_prompt": not begun, "continue_final_message": begun}
        try:
            text = theirs.apply_chat_template(turns, tokenize=False, **how)
        except Exception as refused:  # noqa: BLE001
            text, said = None, str(refused)
        try:
            found = own.chat_text(turns)
        except vene.VeneError as refused:
            if text is None and said in str(refused):
                alike += 1
                continue
            found = f"refused: {refused}"
        ids = None if text is None else theirs(text, add_special_tokens=False)["input_ids"]
        if found == text and (not with_ids or list(own.tokens(turns)) == ids):
            alike += 1
        else:
            different.append(f"{path.name}: {turns}\n{found!r}\n{text!r}\n{list(own.tokens(turns))}\n{ids}")
    return alike, different


def main() -> None:
    ours = json.loads((ROOT / "fixtures/chat/templates.json").read_text())["templates"]["folded"]
    alike, different, own = 0, [], 0
    for file in FILES:
        path = MODELS / file
        template = own_template(path)
        with tempfile.TemporaryDirectory() as folder:
            own += template is not None
            asked = path if template is not None else with_template(path, ours, folder)
            found, wrong = compare(asked, template or ours, template is not None)
        alike, different = alike + found, different + wrong
    print(*different, sep="\n")
    print(f"{alike} conversations of {len(FILES)} models, {own} with a template of its own: {len(different)} differ")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
