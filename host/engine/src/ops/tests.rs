//! Every operation gives the same bits with any instructions.
//!
//! Instructions are chosen once for a process, so each choice has a process of its own: this test, started again.

use std::process::Command;

use freehold_core::digest::Digest;
use freehold_kernels::{Instructions, Job, Matrix, Operand, Precision, Side, Values, multiply, use_instructions};

use super::check::{random, random_panels};
use super::*;
use crate::optimizer::{AdamW, StepSize, global_norm};
use crate::rotary::{Rotary, Scaling};
use crate::tensor::Tensor;

/// Tells a process that it is to compute, and with what.
const CHOICE: &str = "FREEHOLD_TEST_INSTRUCTIONS";
/// Two panels and a third that is not full.
const TOKENS: usize = 75;

fn singles(count: usize, stream: u64) -> Vec<f32> {
    random(count, stream).into_iter().map(|x| x as f32).collect()
}

fn panels(features: usize, stream: u64) -> Panels<f32> {
    let double = random_panels(features, TOKENS, stream);
    let mut single = Panels::zeros(features, TOKENS);
    (0..TOKENS).for_each(|token| single.set_token(token, double.token(token).map(|x| x as f32)));
    single
}

/// Values of the tokens that exist: of others nothing is promised.
fn of_tokens(panels: &Panels<f32>) -> Vec<f32> {
    (0..panels.tokens()).flat_map(|token| panels.token(token).collect::<Vec<_>>()).collect()
}

fn norms() -> Vec<Vec<f32>> {
    let mut all = Vec::new();
    for group in [24, 6] {
        let (x, g, weight) = (panels(24, 1), panels(24, 2), singles(group, 3));
        let normed = rms_norm(&x, &weight, 1e-5);
        let mut back = panels(24, 4);
        rms_norm_backward(&g, &x, &normed.inverse, &weight, &mut back, true);
        all.push(rms_norm_weight_gradient(&g, &x, &normed.inverse, group));
        all.extend([&normed.normed, &normed.inverse, &back].map(of_tokens));
        all.push(of_tokens(&rms_norm(&x.take(5), &weight, 1e-5).normed));
    }
    all
}

fn rotations() -> Vec<Vec<f32>> {
    let rope = Rope::new(&Rotary { theta: 10_000.0, scaling: Scaling::None }, 12);
    let angles = rope.angles(&(0..TOKENS as u32).map(|token| token * 31 % 500).collect::<Vec<_>>());
    let (mut there, mut back) = (panels(24, 1), panels(24, 2));
    angles.rotate(&mut there);
    angles.rotate_back(&mut back);
    [&there, &back].map(of_tokens).into()
}

fn gates() -> Vec<Vec<f32>> {
    let (mut gate, mut up) = (panels(20, 1), panels(20, 2));
    // From where the exponential vanishes to where it would be infinite.
    scale(&mut gate, 120.0);
    scale(&mut up, 0.7);
    let out = gated(&gate, &up);
    let mut gradient = panels(20, 3);
    let other = gated_backward(&mut gradient, &gate, &up);
    add(&mut gate, &up);
    scale_features(&mut up, &singles(20, 4));
    [&out, &gradient, &other, &gate, &up].map(of_tokens).into()
}

/// With it its softmax, in both passes and for one token with its past.
fn attentions() -> Vec<Vec<f32>> {
    let shape = AttentionShape { heads: 4, key_heads: 2, width: 6 };
    let (q, k, v, g) = (panels(24, 1), panels(12, 2), panels(12, 3), panels(24, 4));
    let mut all = Vec::new();
    for window in [None, Some(7)] {
        let spans = Spans::new(&[0..5, 5..45, 45..46, 46..TOKENS], window);
        let attended = attention((&q, &k, &v), &spans, shape, Precision::F32);
        let gradients = attention_backward(&g, &attended, (&q, &k, &v), &spans, (shape, Precision::F32));
        all.extend([&attended.values, &attended.logs].map(of_tokens));
        all.extend(gradients.iter().map(of_tokens));
        let mut past = KeyValues::new();
        (0..TOKENS).for_each(|token| past.push(&k, &v, token));
        all.push(of_tokens(&attention_cached(&q.take(TOKENS - 1), &[(0, &past)], window, shape)));
    }
    all
}

fn losses() -> Vec<Vec<f32>> {
    let mut hidden = panels(24, 1);
    scale(&mut hidden, 9.0);
    let targets: Vec<u32> = (0..TOKENS as u32).map(|token| token * 7 % 150).collect();
    let head = Tensor::of(singles(150 * 24, 2), &[150, 24]);
    let precision = Precision::F32;
    let loss = head_loss(&hidden, &head, &targets, 60.0, precision, true);
    let frozen = head_loss(&hidden, &head, &targets, 60.0, precision, false);
    let alone = loss_of(&hidden, &head, &targets, 60.0, precision);
    let bits = |x: f64| [x.to_bits() as u32, (x.to_bits() >> 32) as u32].map(f32::from_bits).to_vec();
    vec![of_tokens(&loss.hidden), loss.weight.unwrap(), bits(loss.loss), of_tokens(&frozen.hidden), bits(alone)]
}

fn sums_over_tokens() -> Vec<Vec<f32>> {
    let (wide, low) = (panels(40, 1), panels(11, 2));
    vec![token_sums_of_few(&wide, &low), token_sums(&low, &wide), token_sums(&wide, &wide)]
}

fn products() -> Vec<Vec<f32>> {
    let (rows, columns) = (50, 37);
    let values = singles(rows * columns, 1);
    let brain: Vec<half::bf16> = values.iter().map(|&x| half::bf16::from_f32(x)).collect();
    let mut all = Vec::new();
    for stored in [Values::F32(&values), Values::Bf16(&brain)] {
        for (side, from, to) in [(Side::Plain, columns, rows), (Side::Transposed, rows, columns)] {
            let many = panels(from, 2);
            let one = (side == Side::Plain).then(|| many.take(3));
            for x in std::iter::once(many).chain(one) {
                let mut out = x.beside(to);
                let operand = Operand::new(&x, Precision::F32);
                multiply(Job::new(Matrix::new(stored, rows, columns), side, &operand, &mut out));
                all.push(of_tokens(&out));
            }
        }
    }
    all
}

fn steps_of_the_optimizer() -> Vec<Vec<f32>> {
    let mut weight = Tensor::of(singles(300, 1), &[3, 100]);
    let mut optimizer = AdamW::new(&[("w".into(), &weight)], 0.999);
    let mut norms = Vec::new();
    for step in 0..3 {
        let gradients = [("w".to_owned(), singles(300, 2 + step))].into();
        let norm = global_norm(&gradients);
        norms.push(norm as f32);
        let size = StepSize { learning_rate: 0.1, weight_decay: 0.1, clip_norm: 1.0 };
        optimizer.step(vec![("w".into(), &mut weight)], &gradients, norm, size);
    }
    vec![weight.range(0..300), norms]
}

type Operation = (&'static str, fn() -> Vec<Vec<f32>>);

const OPERATIONS: [Operation; 8] = [
    ("norms", norms),
    ("rotations", rotations),
    ("gates", gates),
    ("attentions", attentions),
    ("losses", losses),
    ("token sums", sums_over_tokens),
    ("products", products),
    ("steps of the optimizer", steps_of_the_optimizer),
];

/// A line for each result of each operation.
fn computed() -> String {
    let digest = |values: Vec<f32>| {
        assert!(values.iter().any(|x| *x != 0.0), "nothing but zeros tells nothing apart");
        Digest::of(&values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>())
    };
    let lines = OPERATIONS.iter().flat_map(|(name, compute)| {
        compute().into_iter().enumerate().map(move |(index, values)| format!("= {name} {index} {}\n", digest(values)))
    });
    lines.collect()
}

#[test]
fn every_operation_gives_the_same_bits_with_any_instructions() {
    if let Ok(choice) = std::env::var(CHOICE) {
        let chosen = Instructions::ALL.into_iter().find(|instructions| instructions.as_str() == choice).unwrap();
        use_instructions(chosen).unwrap();
        println!("\n= {}\n{}", freehold_kernels::f32_path().as_str(), computed());
        return;
    }
    let name = "ops::tests::every_operation_gives_the_same_bits_with_any_instructions";
    let mut expected: Option<Vec<String>> = None;
    for choice in [Instructions::Portable, Instructions::Avx2, Instructions::Avx512] {
        if !choice.are_available() {
            eprintln!("SKIPPED: this processor does not have {}", choice.as_str());
            continue;
        }
        let mut again = Command::new(std::env::current_exe().unwrap());
        let output = again.args(["--exact", name, "--nocapture"]).env(CHOICE, choice.as_str()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<String> = text.lines().filter(|line| line.starts_with("= ")).map(str::to_owned).collect();
        assert_eq!(lines.remove(0), format!("= {}", choice.as_str()), "what it computed with");
        assert!(lines.len() > 30, "{text}");
        assert_eq!(expected.get_or_insert_with(|| lines.clone()), &lines, "{}", choice.as_str());
    }
}
