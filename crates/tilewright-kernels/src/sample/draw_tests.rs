//! Draws against the rules, alone and together, on every device.

use tilewright_core::{DType, Device};

use super::*;

/// Numbers without structure.
fn numbers(count: usize, mut state: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 8
    })
}

/// The settings of a text: each penalty, window and ban somewhere, and none of them in the first.
fn settings(text: u32) -> TextSampling {
    let on = |bit: u32| text >> bit & 1 == 1;
    let penalty = |on, value, off, prompt| Penalty {
        value: if on { value } else { off },
        prompt,
        window: 3 * (text as usize % 3),
    };
    TextSampling {
        sampling: Sampling {
            temperature: if text % 5 == 4 { 0.0 } else { 0.7 },
            top_k: text % 7 * 3,
            seed: u64::from(text),
            ..Sampling::default()
        },
        repetition_penalty: penalty(on(0), 1.5, 1.0, true),
        frequency_penalty: penalty(on(1), 0.3, 0.0, on(3)),
        presence_penalty: penalty(on(2), 0.4, 0.0, false),
        dry: Dry {
            multiplier: if on(3) { 0.8 } else { 0.0 },
            breakers: if on(1) { vec![vec![2], vec![3, 4]] } else { Vec::new() },
            ..Dry::default()
        },
        logit_bias: if on(1) { vec![(5, 9.0), (5, 2.0), (7, f32::NEG_INFINITY)] } else { Vec::new() },
        allowed_token_ids: (text % 6 == 5).then(|| (0..20).collect()),
        stop_token_ids: vec![1, 5, 1],
        min_tokens: if on(2) { 9 } else { 0 },
        logprobs: text as usize % 3,
    }
}

#[test]
fn a_text_gets_the_same_alone_among_others_and_on_every_device() {
    const V: usize = 67;
    let texts = 24;
    let samplers: Vec<_> = (0..texts).map(|text| TextSampler::new(settings(text), V).unwrap()).collect();
    let tokens: Vec<u32> = numbers(40, 9).map(|x| x % 8).collect();
    let texts: Vec<Text<'_>> = samplers
        .iter()
        .enumerate()
        .map(|(i, sampler)| Text { sampler, prompt: &tokens[..i % 9], output: &tokens[9..9 + i % 13] })
        .collect();
    let logits: Vec<f32> = numbers(V * texts.len(), 3).map(|x| (x % 4096) as f32 / 1024.0 - 2.0).collect();
    let all = Tensor::from_vec(logits.clone(), [texts.len(), V]).unwrap();
    let drawn = draw(&Stream::cpu(), &all, &texts).unwrap();
    // Log-probabilities come by another way where any text is penalised.
    let same = |one: &Drawn, other: &Drawn, what: &str| {
        let ids = |drawn: &Drawn| drawn.top.iter().map(|top| top.0).collect::<Vec<_>>();
        assert_eq!((one.id, ids(one)), (other.id, ids(other)), "{what}");
        assert!((one.logprob - other.logprob).abs() < 1e-5, "{what}");
    };
    for (i, text) in texts.iter().enumerate() {
        let own = Tensor::from_slice(&logits[i * V..(i + 1) * V], [1, V]).unwrap();
        same(&draw(&Stream::cpu(), &own, &[*text]).unwrap()[0], &drawn[i], &format!("alone, {i}"));
    }
    for device in [Device::Emulated, Device::Cuda(0), Device::Metal(0)] {
        let Ok(stream) = tilewright_gpu::stream(device) else { continue };
        let there = draw(&stream, &all.to(&stream).unwrap(), &texts).unwrap();
        for (i, (here, there)) in drawn.iter().zip(&there).enumerate() {
            same(here, there, &format!("{device}, {i}"));
        }
    }
}

/// Greedily, against the rules written out in f64 for one text.
#[test]
fn penalties_and_biases_are_those_of_the_rules() {
    const V: usize = 9;
    for round in 0..200u32 {
        let mut how = settings(2 * (round % 4) + round % 2);
        (how.sampling.temperature, how.dry.multiplier, how.logprobs) = (0.0, 0.0, 1);
        how.allowed_token_ids = (round % 3 == 0).then(|| vec![0, 2, 5, 8]);
        let sampler = TextSampler::new(how, V).unwrap();
        let tokens: Vec<u32> = numbers(24, round).map(|x| x % V as u32).collect();
        let (prompt, output) = tokens.split_at(round as usize % 12);
        let z: Vec<f32> = numbers(V, round + 77).map(|x| (x % 4001) as f32 / 1000.0 - 2.0).collect();
        let text = Text { sampler: &sampler, prompt, output: &output[..round as usize % 11] };
        let how = sampler.how();
        let value = |j: u32| {
            let last = |penalty: Penalty| {
                let before = if penalty.prompt { prompt } else { &[] };
                let all: Vec<u32> = before.iter().chain(text.output).copied().collect();
                let from = if penalty.window == 0 { 0 } else { all.len().saturating_sub(penalty.window) };
                all[from..].iter().filter(|&&token| token == j).count() as f64
            };
            let banned = how.stop_token_ids.contains(&j) && text.output.len() < how.min_tokens;
            let allowed = how.allowed_token_ids.as_ref().is_none_or(|allowed| allowed.contains(&j));
            let bias = how.logit_bias.iter().find(|(token, _)| *token == j).map_or(0.0, |pair| pair.1);
            if banned || !allowed || bias == f32::NEG_INFINITY {
                return f64::NEG_INFINITY;
            }
            let mut z = f64::from(z[j as usize]) + f64::from(bias);
            if last(how.repetition_penalty) > 0.0 {
                let by = f64::from(how.repetition_penalty.value);
                z = if z > 0.0 { z / by } else { z * by };
            }
            let [frequency, presence] = [how.frequency_penalty, how.presence_penalty];
            z -= f64::from(frequency.value) * last(frequency);
            z - f64::from(presence.value) * f64::from(u8::from(last(presence) > 0.0))
        };
        let values: Vec<f64> = (0..V as u32).map(value).collect();
        let best = values.iter().fold(f64::NEG_INFINITY, |best, &x| best.max(x));
        let drawn = draw(&Stream::cpu(), &Tensor::from_slice(&z, [1, V]).unwrap(), &[text]).unwrap();
        // Values that lie within roundings of each other may come in either order.
        assert!(values[drawn[0].id as usize] > best - 1e-5, "{round} {} {values:?}", drawn[0].id);
        let total = z.iter().map(|&z| f64::from(z).exp()).sum::<f64>().ln();
        let logprob = f64::from(z[drawn[0].id as usize]) - total;
        assert!((f64::from(drawn[0].logprob) - logprob).abs() < 1e-5, "{round}");
        let most = z.iter().fold(f32::NEG_INFINITY, |most, &z| most.max(z));
        assert_eq!(z[drawn[0].top[0].0 as usize], most, "{round}");
    }
}

#[test]
fn wrong_settings_are_named() {
    let error = |change: fn(&mut TextSampling)| {
        let mut how = TextSampling::default();
        change(&mut how);
        TextSampler::new(how, 4).unwrap_err().to_string()
    };
    for (error, part) in [
        (error(|how| how.sampling.top_p = 2.0), "top_p is 2"),
        (error(|how| how.repetition_penalty.value = 0.0), "repetition_penalty is 0"),
        (error(|how| how.frequency_penalty.value = f32::INFINITY), "frequency_penalty is inf"),
        (error(|how| how.dry.base = -1.0), "dry_base is -1"),
        (error(|how| how.dry.breakers = vec![vec![]]), "dry_sequence_breakers is an empty one"),
        (error(|how| how.dry.breakers = vec![vec![4]]), "dry_sequence_breakers is 4"),
        (error(|how| how.logit_bias = vec![(4, 1.0)]), "logit_bias is 4"),
        (error(|how| how.logit_bias = vec![(1, f32::NAN)]), "logit_bias is NaN"),
        (error(|how| how.allowed_token_ids = Some(vec![])), "allowed_token_ids is empty"),
        (error(|how| how.stop_token_ids = vec![9]), "stop_token_ids is 9"),
        (error(|how| how.logprobs = 5), "logprobs is 5"),
    ] {
        assert!(error.contains(part), "{error}");
    }
    let sampler = TextSampler::new(TextSampling::default(), 4).unwrap();
    let text = Text { sampler: &sampler, prompt: &[4], output: &[] };
    let of = |shape: [usize; 2], texts: &[Text]| {
        draw(&Stream::cpu(), &Tensor::zeros(DType::F32, shape).unwrap(), texts).unwrap_err().to_string()
    };
    assert!(of([1, 4], &[text]).contains("prompt is 4"));
    assert!(of([2, 4], &[text]).contains("expected [1, v]"));
    assert!(of([1, 5], &[Text { prompt: &[], ..text }]).contains("expected [1, 4]"));
}
