//! Tokens per second of training and generation at the shape of the demonstration.
//!
//! `cargo run -p freehold-engine --example throughput`

use std::error::Error;
use std::time::Instant;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_core::recipe::{AdapterSettings, Method, Schedule, TrainSettings};
use freehold_engine::{ChatTokenizer, Message, Model, ModelFolder, PretrainSpec, generate, pretrain, train_adapter};

fn main() -> Result<(), Box<dyn Error>> {
    let spec = PretrainSpec {
        hidden_size: 128,
        layers: 5,
        heads: 4,
        kv_heads: 2,
        intermediate_size: 352,
        vocab_size: 2048,
        max_positions: 512,
        rope_theta: 10_000.0,
        steps: 60,
        tokens_per_step: 4096,
        sequence_length: 256,
        learning_rate: 3e-3,
        warmup_steps: 10,
        weight_decay: 0.1,
        seed: 1,
    };
    let dialogue = |i: usize| {
        let words = ["red", "green", "blue", "small", "large", "old", "new", "fast", "slow", "round"];
        let word = |k: usize| words[(i * 7 + k * 3 + i / 10) % 10];
        let question: Vec<&str> = (0..45).map(word).collect();
        (format!("Order {i}: {}?", question.join(" ")), format!("The {} one is {}: order {i}.", word(1), word(2)))
    };
    let documents: Vec<String> =
        (0..4000).map(dialogue).map(|(q, a)| format!("<|user|>{q}<|end|><|assistant|>{a}<|end|>")).collect();

    let time = Instant::now();
    let folder = pretrain(&spec, &documents, None, &mut |_| ())?;
    let (seconds, report) = (time.elapsed().as_secs_f64(), &folder.report);
    println!(
        "pretrain: {:.0} tokens/s, {} tokens, {} parameters, loss {:.3} -> {:.3}",
        report.tokens as f64 / seconds,
        report.tokens,
        report.parameters,
        report.first_loss,
        report.last_loss
    );

    let path = tempfile::tempdir()?;
    let dir = Dir::open_ambient_dir(path.path(), ambient_authority())?;
    for (name, bytes) in &folder.files {
        dir.write(name, bytes)?;
    }
    let folder = ModelFolder::open(dir)?;
    let (model, chat) = (Model::load(&folder)?, ChatTokenizer::load(&folder)?);
    let message = |role: &str, text: String| Message { role: role.into(), text };
    let mut examples = Vec::new();
    for i in 0..2000 {
        examples.extend(chat.examples(&[message("user", dialogue(i).0), message("assistant", dialogue(i).1)])?);
    }
    let targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    let adapter = AdapterSettings {
        method: Method::Lora,
        rank: 8,
        alpha: 16.0,
        dropout: 0.0,
        targets: targets.map(String::from).to_vec(),
    };
    let train = TrainSettings {
        epochs: 2.0,
        tokens_per_step: 2048,
        learning_rate: 1e-3,
        schedule: Schedule::Cosine,
        warmup_steps: 5,
        weight_decay: 0.0,
        clip_norm: 1.0,
        max_length: 256,
        ..TrainSettings::default()
    };
    let time = Instant::now();
    let trained = train_adapter(&model, &examples, &adapter, &train, 1, &mut |_| ())?;
    let (seconds, report) = (time.elapsed().as_secs_f64(), &trained.report);
    println!(
        "adapter:  {:.0} tokens/s, {} steps, {:.0} tokens an example, {} parameters, loss {:.3} -> {:.3}, {seconds:.1} s",
        report.tokens as f64 / seconds,
        report.steps,
        report.tokens as f64 / 4000.0,
        report.parameters,
        report.first_loss,
        report.last_loss
    );

    let prompts = (0..256).map(|i| chat.prompt(&[message("user", dialogue(i).0)])).collect::<Result<Vec<_>, _>>()?;
    let time = Instant::now();
    let answers = generate(&model, Some(&trained.adapter), &prompts, 64, &mut |_| ())?;
    let seconds = time.elapsed().as_secs_f64();
    let new: usize = answers.iter().map(Vec::len).sum();
    println!("generate: {:.0} new tokens/s, {} prompts in {seconds:.1} s", new as f64 / seconds, prompts.len());
    println!("  {:?} -> {:?}", dialogue(3).1, chat.decode(&answers[3])?);
    Ok(())
}
