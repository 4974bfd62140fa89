//! Models with random weights at the shapes that are measured, written as Hugging Face folders and loaded like any other.

use std::error::Error;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_core::recipe::Precision;
use freehold_engine::{Model, ModelFolder};
use serde_json::{Map, Value, json};

/// Sizes of a model and of a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) hidden: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) key_heads: usize,
    pub(crate) intermediate: usize,
    pub(crate) vocabulary: usize,
    /// Sequences of a step.
    pub(crate) batch: usize,
    /// Tokens of a sequence.
    pub(crate) tokens: usize,
}

/// The shape of this name.
pub(crate) fn shape(name: &str) -> Result<Shape, Box<dyn Error>> {
    let of = |[hidden, layers, heads, key_heads, intermediate, vocabulary, batch, tokens]: [usize; 8]| Shape {
        hidden,
        layers,
        heads,
        key_heads,
        intermediate,
        vocabulary,
        batch,
        tokens,
    };
    match name {
        "tiny" => Ok(of([256, 4, 4, 4, 704, 4096, 8, 128])),
        "135m" => Ok(of([576, 30, 9, 3, 1536, 49152, 2, 256])),
        other => Err(format!("`{other}` is neither tiny nor 135m").into()),
    }
}

/// A model of this shape, its weights mapped from a file of this type.
pub(crate) fn random(shape: Shape, precision: Precision, folder: &Path) -> Result<Model, Box<dyn Error>> {
    let Shape { hidden, layers, heads, key_heads, intermediate, vocabulary, .. } = shape;
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": key_heads, "intermediate_size": intermediate,
        "vocab_size": vocabulary, "max_position_embeddings": 2048, "tie_word_embeddings": true, "rms_norm_eps": 1e-6,
    });
    std::fs::write(folder.join("config.json"), config.to_string())?;
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": { "<unk>": 0 }, "unk_token": "<unk>" },
    });
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string())?;
    let width = hidden / heads;
    let mut tensors = vec![("model.embed_tokens.weight".to_string(), vec![vocabulary, hidden])];
    for layer in 0..layers {
        for (name, shape) in [
            ("self_attn.q_proj", vec![heads * width, hidden]),
            ("self_attn.k_proj", vec![key_heads * width, hidden]),
            ("self_attn.v_proj", vec![key_heads * width, hidden]),
            ("self_attn.o_proj", vec![hidden, heads * width]),
            ("mlp.gate_proj", vec![intermediate, hidden]),
            ("mlp.up_proj", vec![intermediate, hidden]),
            ("mlp.down_proj", vec![hidden, intermediate]),
            ("input_layernorm", vec![hidden]),
            ("post_attention_layernorm", vec![hidden]),
        ] {
            tensors.push((format!("model.layers.{layer}.{name}.weight"), shape));
        }
    }
    tensors.push(("model.norm.weight".into(), vec![hidden]));
    write(&folder.join("model.safetensors"), &tensors, precision)?;
    let dir = Dir::open_ambient_dir(folder, ambient_authority())?;
    Ok(Model::load(&ModelFolder::open(dir)?)?)
}

/// Matrices uniform with the deviation 0.02 of a new model, norms one.
fn write(path: &Path, tensors: &[(String, Vec<usize>)], precision: Precision) -> Result<(), Box<dyn Error>> {
    let (dtype, size) = match precision {
        Precision::F32 => ("F32", 4),
        Precision::Bf16 => ("BF16", 2),
    };
    let (mut header, mut end) = (Map::new(), 0);
    for (name, shape) in tensors {
        let start = end;
        end += shape.iter().product::<usize>() * size;
        header.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] }));
    }
    let mut header = Value::Object(header).to_string();
    header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for (_, shape) in tensors {
        for _ in 0..shape.iter().product::<usize>() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let uniform = (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
            let value = if shape.len() == 1 { 1.0 } else { uniform * 0.0346 };
            match precision {
                Precision::F32 => file.write_all(&value.to_le_bytes())?,
                // Cut off rather than rounded: random values have no need of better.
                Precision::Bf16 => file.write_all(&((value.to_bits() >> 16) as u16).to_le_bytes())?,
            }
        }
    }
    Ok(file.flush()?)
}
