//! Plans that name much in few bytes: each ends within a second or so, and takes no memory for what it only
//! names.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use vene::Outline;
use vene::plan_file::{Format, PlanFile, PyveneCall, PyveneSaved};
use vene_test_support::Fixture;

/// Generous, for machines that do other work; what was quadratic took minutes.
const SOON: Duration = Duration::from_secs(10);

/// Two layers, 4 heads, a residual stream of 20 dimensions.
fn outline() -> Outline {
    Fixture::new("gpt2-plain").outline().unwrap()
}

#[track_caller]
fn soon<T>(run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    result
}

#[track_caller]
fn refused(text: &str, format: Format, said: &str) {
    let outline = outline();
    let file = PlanFile::parse(text, format, Path::new(""));
    let error = soon(|| file.and_then(|file| file.plan(&outline))).unwrap_err().to_string();
    assert!(error.contains(said), "{error}\nlacks {said}");
    assert!(error.len() < 10_000, "{} bytes", error.len());
}

/// An edit with this intervention.
fn edit(intervention: &str) -> String {
    format!("[[edit]]\ncomponent = 'block_output'\nlayer = 0\nintervention = {intervention}\n")
}

#[test]
fn two_hundred_thousand_keys() {
    let keys: Vec<String> = (0..200_000).map(|key| format!("\"k{key}\": {key}")).collect();
    let keys = keys.join(", ");
    refused(&format!("{{{keys}}}"), Format::Json, "there is no key `k0`");
    refused(&format!("{{\"model\": {{{keys}}}}}"), Format::Json, "there is no key `k0`");
    refused(
        &format!("{{\"edit\": [{{\"intervention\": {{\"name\": \"zero\", {keys}}}}}]}}"),
        Format::Json,
        "there is no `component`",
    );
    let lines: String = (0..200_000).map(|key| format!("k{key} = {key}\n")).collect();
    refused(&lines, Format::Toml, "there is no key `k0`");
    refused(&format!("[data]\n{lines}"), Format::Toml, "there is no key `k0`");
}

#[test]
fn a_key_twice_among_many() {
    let mut text = "{".to_owned();
    for key in 0..100_000 {
        let _ = write!(text, "\"k{key}\": 0, ");
    }
    let error =
        soon(|| PlanFile::parse(&format!("{text}\"k7\": 1}}"), Format::Json, Path::new("")));
    assert!(error.unwrap_err().to_string().contains("the key `k7` stands twice"));
}

#[test]
fn very_many_edits() {
    let edits = edit("'zero'").repeat(50_000);
    refused(&edits, Format::Toml, "a plan may have 16384 edits, and there are 50000");
    // As many as there may be are read, and compared with each other.
    let edits: String =
        (0..16_384).map(|index| edit("'zero'") + &format!("when = [{}]\n", index + 1)).collect();
    let (outline, file) = (outline(), PlanFile::parse(&edits, Format::Toml, Path::new("")));
    assert!(soon(|| file.unwrap().plan(&outline)).is_ok());
}

#[test]
fn ranges_past_the_last_dimension() {
    for range in ["0..16777216", "0..18446744073709551615", "19..1000000000000"] {
        for intervention in [
            format!("{{ name = 'in_subspace', of = 'zero', subspace = '{range}' }}"),
            format!("{{ name = 'rotated_space', subspace = ['{range}', '{range}'] }}"),
            format!("{{ name = 'collect', subspace = '{range}' }}"),
            format!("{{ name = 'rotated_space', partition = {{ a = '{range}' }} }}"),
        ] {
            refused(
                &edit(&intervention),
                Format::Toml,
                "dimension 20: there are 20, counted from 0",
            );
        }
    }
}

#[test]
fn many_ranges() {
    // Nobody knows how wide all positions together are.
    let wide = edit("{ name = 'in_subspace', of = 'zero', subspace = '0..16777216' }");
    let wide = wide.replace("layer = 0", "layer = 0\npositions = 'all'\nconcatenated = true");
    refused(&wide.repeat(3), Format::Toml, "may name 16777216 dimensions together");
    // A few bytes each, of a width that is known.
    let each = vec!["\"all\""; 1_000_000].join(",");
    let all = format!("{}subspaces = [{each}]\n", edit("'rotated_space'"));
    refused(&all, Format::Toml, "may name 16777216 dimensions together");
}

#[test]
fn a_partition_of_many_parts() {
    let parts: Vec<String> = (0..100_000).map(|part| format!("p{part} = [{part}]")).collect();
    let intervention =
        format!("{{ name = 'rotated_space', partition = {{ {} }} }}", parts.join(", "));
    refused(&edit(&intervention), Format::Toml, "dimension 20: there are 20, counted from 0");
}

#[test]
fn parameters_that_are_only_named() {
    let autoencoder = |latents: &str| {
        edit(&format!(
            "{{ name = 'latent_interchange', error_term = 'kept', autoencoder = {{ name = 'linear', latents = {latents} }} }}"
        ))
    };
    for latents in ["21", "2147483648", "18446744073709551615"] {
        refused(&autoencoder(latents), Format::Toml, "expected 1 to 20 latents");
    }
    for rank in ["0", "21", "18446744073709551615"] {
        for name in ["low_rank_rotated_space", "loreft", "lobireft"] {
            let intervention = format!("{{ name = '{name}', rank = {rank} }}");
            refused(&edit(&intervention), Format::Toml, "1 to 20 directions");
        }
    }
    for name in ["noreft", "nodireft"] {
        let intervention = format!("{{ name = '{name}', rank = 18446744073709551615 }}");
        refused(&edit(&intervention), Format::Toml, "may have 268435456 parameters together");
        // A product that is past every number.
        let intervention = format!("{{ name = '{name}', rank = 4611686018427387904 }}");
        refused(&edit(&intervention), Format::Toml, "may have 268435456 parameters together");
    }
}

#[test]
fn one_tensor_for_many_edits_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let values = vec![0.5f32; 20 * 50_000];
    let tensor =
        candle_core::Tensor::from_vec(values, (50_000, 20), &candle_core::Device::Cpu).unwrap();
    candle_core::safetensors::save(&[("v", tensor)].into(), folder.path().join("v.safetensors"))
        .unwrap();
    // Ten thousand times 8 MB, by two names of the file.
    let text: String = (0..10_000)
        .map(|index| {
            let dots = "./".repeat(index % 2);
            format!(
                "{}source = {{ file = '{dots}v.safetensors', tensor = 'v' }}\n",
                edit("'steering'")
            )
        })
        .collect();
    let (outline, file) = (outline(), PlanFile::parse(&text, Format::Toml, folder.path()).unwrap());
    assert!(soon(|| file.plan(&outline)).is_ok());
}

#[test]
fn large_files_and_long_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    std::fs::write(&path, vec![b' '; (8 << 20) + 1]).unwrap();
    let error = PlanFile::read(&path).unwrap_err().to_string();
    assert!(error.contains("8388609 bytes are more than a plan may have (8388608)"), "{error}");
    let name = "x".repeat(1 << 20);
    refused(&edit(&format!("'{name}'")), Format::Toml, "there is no intervention `xxx");
    refused(&format!("{name} = 1"), Format::Toml, "there is no key `xxx");
    refused(&format!("{{\"a\": 1{}}}", "0".repeat(1 << 20)), Format::Json, "is no number");
}

#[test]
fn many_representations_of_pyvene() {
    let folder = tempfile::tempdir().unwrap();
    let of = |count: usize, partition: &str| {
        let one = format!("[0, \"block_output\", \"pos\", 1, null, null, null, {partition}]");
        let class = "\"<class 'pyvene.models.interventions.VanillaIntervention'>\"";
        let text = format!(
            "{{\"representations\": [{}], \"intervention_types\": [{}]}}",
            vec![one.as_str(); count].join(","),
            vec![class; count].join(","),
        );
        std::fs::write(folder.path().join("config.json"), text).unwrap();
        soon(|| PyveneSaved::open(folder.path()))
    };
    let saved = of(100_000, "null").unwrap();
    assert_eq!(saved.keys().last(), Some("layer_0_comp_block_output_unit_pos_nunit_1#99999"));
    let error = of(1000, "[[0, 4000000]]").unwrap_err().to_string();
    assert!(
        error.contains("representation 1, subspace_partition") && error.contains("not too many"),
        "{error}"
    );
    // A part that is named again and again.
    let saved = of(1, "[[0, 4000000]]").unwrap();
    let call =
        PyveneCall::new().locations("sources->base", 0, 0).subspaces(vec![vec![vec![0; 100_000]]]);
    let error = soon(|| saved.plan(&outline(), &call)).unwrap_err().to_string();
    assert!(error.contains("dimension 20: there are 20"), "{error}");
}
