"""Makes the files beside it: a tiny random xLSTM of Hugging Face's transformers, prompts, and what it answers.

    pip install torch transformers safetensors
    python make.py

Run with transformers 5.24 and torch 2.15 in f32, on a CPU, by its own kernels (no mlstm_kernels, no xlstm installed).
"""

import pathlib

import torch
from safetensors.torch import save_file
from transformers import xLSTMConfig, xLSTMForCausalLM

folder = pathlib.Path(__file__).parent
torch.manual_seed(5)
config = xLSTMConfig(
    vocab_size=32,
    hidden_size=32,
    num_hidden_layers=2,
    num_heads=2,
    ffn_round_up_to_multiple_of=16,
    autocast_kernel_dtype="float32",
    chunk_size=8,
    eos_token_id=None,
    bos_token_id=None,
    pad_token_id=None,
)
model = xLSTMForCausalLM(config).float().eval()
# The usual start has gates without weights and norms of 1; here nothing may be left out unnoticed.
with torch.no_grad():
    for name, weight in model.named_parameters():
        if "norm" in name:
            weight.copy_(1 + 0.3 * torch.randn_like(weight))
        elif name.endswith("bias"):
            weight.copy_(2 * torch.randn_like(weight))
        elif "gate_preact" in name and "ogate" not in name:
            weight.copy_(torch.randn_like(weight))
        else:
            weight.copy_(torch.randn_like(weight) * 1.5 / weight.shape[1] ** 0.5)

    prompts = torch.randint(0, config.vocab_size, (2, 27))
    logits = model(prompts, use_cache=False).logits
    texts = prompts
    for _ in range(12):
        texts = torch.cat([texts, model(texts, use_cache=False).logits[:, -1].argmax(-1, keepdim=True)], 1)

save_file({name: weight.contiguous() for name, weight in model.state_dict().items()}, folder / "model.safetensors")
config.architectures = ["xLSTMForCausalLM"]
config.to_json_file(folder / "config.json", use_diff=False)
expected = {"prompts": prompts, "logits": logits.float(), "greedy": texts[:, prompts.shape[1] :]}
save_file({name: tensor.contiguous() for name, tensor in expected.items()}, folder / "expected.safetensors")
top = logits.topk(2, -1).values
print("logits", logits.shape, "largest", logits.abs().max().item(), "smallest lead", (top[..., 0] - top[..., 1]).min().item())
