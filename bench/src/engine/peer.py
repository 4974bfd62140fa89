"""What transformers and PEFT do at the shapes of `bench-engine`, one measurement a process, two threads. Prints one line of JSON.

Needs torch, transformers and peft.   peer.py train SHAPE DTYPE | peer.py generate SHAPE DTYPE"""
import json
import resource
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

# hidden, layers, heads, key heads, intermediate, vocabulary, sequences, tokens
SHAPES = {"tiny": (256, 4, 4, 4, 704, 4096, 8, 128), "135m": (576, 30, 9, 3, 1536, 49152, 2, 256)}
what, shape, dtype = sys.argv[1:4]
hidden, layers, heads, key_heads, intermediate, vocabulary, batch, tokens = SHAPES[shape]
torch.set_num_threads(2)
torch.manual_seed(0)
config = LlamaConfig(
    hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=key_heads,
    intermediate_size=intermediate, vocab_size=vocabulary, max_position_embeddings=2048, tie_word_embeddings=True)
model = LlamaForCausalLM(config).to(getattr(torch, dtype))


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def train():
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    adapted = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, task_type="CAUSAL_LM", target_modules=targets))
    trained = [p for p in adapted.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-3)
    ids = torch.randint(0, vocabulary, (batch, tokens))

    def step():
        adapted(input_ids=ids, labels=ids).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    step()
    median = sorted(seconds(step) for _ in range(7))[3]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {"tokens_per_s": batch * tokens / median, "peak_rss_gb": peak}


def generate():
    model.eval()

    def run(prompt, new):
        ids = torch.randint(0, vocabulary, (1, prompt))
        with torch.no_grad():
            return seconds(lambda: model.generate(ids, max_new_tokens=new, min_new_tokens=new, do_sample=False))

    run(8, 4)
    decode = sorted(run(8, 65) - run(8, 1) for _ in range(3))[1]
    prefill = sorted(run(512, 1) for _ in range(5))[2]
    return {"decode_tokens_per_s": 64 / decode, "prefill_tokens_per_s": 512 / prefill}


print(json.dumps(train() if what == "train" else generate()))
