//! Plans that pyvene 0.1.8 saved.

/// What an intervention is called here, by its class in pyvene or pyreft.
pub(super) fn kind_of(class: &str) -> Option<&'static str> {
    Some(match class {
        "VanillaIntervention" => "interchange",
        "AdditionIntervention" => "addition",
        "SubtractionIntervention" => "subtraction",
        "ZeroIntervention" => "zero",
        "CollectIntervention" => "collect",
        "SkipIntervention" => "skip",
        "ConstantSourceIntervention" => "constant_source",
        "NoiseIntervention" => "noise",
        "RotatedSpaceIntervention" => "rotated_space",
        "LowRankRotatedSpaceIntervention" => "low_rank_rotated_space",
        "BoundlessRotatedSpaceIntervention" => "boundless_rotated_space",
        "SigmoidMaskIntervention" => "sigmoid_mask",
        "SigmoidMaskRotatedSpaceIntervention" => "sigmoid_mask_rotated_space",
        "PCARotatedSpaceIntervention" => "pca_rotated_space",
        "AutoencoderIntervention" | "JumpReLUAutoencoderIntervention" => "latent_interchange",
        "LoreftIntervention" => "loreft",
        "NoreftIntervention" => "noreft",
        "DireftIntervention" => "direft",
        "NodireftIntervention" => "nodireft",
        "ConsreftIntervention" => "consreft",
        "LobireftIntervention" => "lobireft",
        _ => return None,
    })
}
