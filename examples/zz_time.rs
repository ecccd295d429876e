//! Temporary.
use std::time::Instant;
use burn::tensor::{Tensor, TensorData};
use nfbmr_backbone::*;
type Cpu = nfbmr_backend::Cpu;
fn main() {
    let d = Default::default();
    let a: Vec<String> = std::env::args().collect();
    let w16 = Weights::read_safetensors(&a[1]).unwrap();
    let w32 = Weights::read_safetensors(&a[2]).unwrap();
    let im = image::open(&a[3]).unwrap().to_rgb8();
    let (w, h) = (im.width() as usize, im.height() as usize);
    let v: Vec<f32> = (0..3).flat_map(|c| (0..w*h).map(move |p| (c, p))).map(|(c, p)| im.as_raw()[3*p+c] as f32 / 127.5 - 1.0).collect();
    let x = Tensor::<Cpu, 4>::from_data(TensorData::new(v, [1, 3, h, w]), &d);
    let c = BackboneConfig::lite(Variant::Lite0, 15).unwrap();
    let all: Vec<usize> = (0..16).collect();
    let o16 = Backbone::<Cpu>::load(&c, &w16, &d).unwrap().forward_blocks(x.clone(), &all).unwrap();
    let o32 = Backbone::<Cpu>::load(&c, &w32, &d).unwrap().forward_blocks(x, &all).unwrap();
    for (i, (p, q)) in o16.into_iter().zip(o32).enumerate() {
        let n = q.shape().num_elements() as f32;
        let diff = (p - q.clone()).into_data().to_vec::<f32>().unwrap();
        let q = q.into_data().to_vec::<f32>().unwrap();
        let mean = q.iter().sum::<f32>() / n;
        let std = (q.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
        let rms = (diff.iter().map(|v| v * v).sum::<f32>() / n).sqrt();
        let max = diff.iter().fold(0f32, |m, v| m.max(v.abs()));
        eprintln!("block {i}: std {std:.3} rms/std {:.2e} max/std {:.2e}", rms / std, max / std);
    }
    for (variant, blocks) in [(Variant::Lite0, vec![10, 14])] {
        for b in blocks {
            let c = BackboneConfig::lite(variant, b).unwrap();
            let n = Backbone::<Cpu>::load(&c, &w16, &d).unwrap();
            let x = Tensor::<Cpu, 4>::random([1, 3, 512, 512], burn::tensor::Distribution::Uniform(-1.0, 1.0), &d);
            let mut t: Vec<f64> = (0..15).map(|_| { let s = Instant::now(); n.forward(x.clone()).unwrap().into_data(); s.elapsed().as_secs_f64() * 1e3 }).collect();
            t.sort_by(f64::total_cmp);
            eprintln!("{variant} 512 block {b}: min {:.1} median {:.1} ms", t[0], t[7]);
        }
    }
}
