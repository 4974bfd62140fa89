//! The rate of products at the shapes of small models, in GFLOP/s.
use std::time::Instant;

use freehold_kernels::*;
use half::bf16;

fn main() {
    println!("{:?} {:?} threads {}", f32_path(), bf16_path(), threads());
    for (rows, columns, tokens) in
        [(576, 576, 512), (192, 576, 512), (1536, 576, 512), (576, 1536, 512), (49152, 576, 256), (704, 256, 1024)]
    {
        let w: Vec<f32> = (0..rows * columns).map(|i| ((i * 7919 % 1000) as f32 - 500.0) / 5000.0).collect();
        let brain: Vec<bf16> = w.iter().map(|&x| bf16::from_f32(x)).collect();
        for (name, stored) in [("f32", Values::F32(&w)), ("bf16", Values::Bf16(&brain))] {
            let weight = Matrix::new(stored, rows, columns);
            for side in [Side::Plain, Side::Transposed] {
                let (outputs, terms) = if side == Side::Plain { (rows, columns) } else { (columns, rows) };
                let mut x = Panels::<f32>::any(terms, tokens);
                x.values_mut().iter_mut().enumerate().for_each(|(i, x)| *x = (i % 100) as f32 / 100.0);
                let mut out = Panels::<f32>::any(outputs, tokens);
                for precision in [Precision::F32, Precision::Bf16] {
                    let mut best = f64::MAX;
                    let reps = (20_000_000_000 / (2 * rows * columns * tokens)).clamp(3, 200);
                    for _ in 0..reps {
                        let t = Instant::now();
                        let operand = Operand::new(&x, precision);
                        multiply(Job::new(weight, side, &operand, &mut out));
                        best = best.min(t.elapsed().as_secs_f64());
                    }
                    println!(
                        "{rows}x{columns} {tokens} stored {name} {side:?} {precision:?}: {:.0}",
                        2e-9 * (rows * columns * tokens) as f64 / best
                    );
                }
            }
            let mut x = Panels::<f32>::vector(columns);
            x.values_mut().fill(0.5);
            let (operand, mut y) = (Operand::new(&x, Precision::F32), Panels::vector(rows));
            let mut best = f64::MAX;
            for _ in 0..50 {
                let t = Instant::now();
                multiply(Job::new(weight, Side::Plain, &operand, &mut y));
                best = best.min(t.elapsed().as_secs_f64());
            }
            println!("  vector: {:.1} GB/s", 1e-9 * (rows * columns * if name == "f32" { 4 } else { 2 }) as f64 / best);
        }
    }
}
