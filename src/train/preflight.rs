//! Checks that save a wasted run: is anything trained, is the end of a turn trained, and does every
//! trainable tensor really get a gradient.

use super::error::TrainError;
use super::parameters::{Gradients, Parameters};

/// Tensors named in a message before the rest is counted.
const NAMED: usize = 4;

/// Refuses gradients that are missing, not finite or all zero. `may_be_zero` says which parameters
/// are allowed a zero gradient at this step (A of a LoRA while B is still zero).
///
/// # Errors
/// Names the tensors.
pub fn check_gradients(
    parameters: &Parameters,
    gradients: &Gradients,
    may_be_zero: impl Fn(&str) -> bool,
) -> Result<(), TrainError> {
    let mut bad = Vec::new();
    for (index, parameter) in parameters.iter().enumerate() {
        let grad = &gradients.flat[index];
        let problem = if !gradients.reached(index) {
            "no gradient"
        } else if grad.iter().any(|g| !g.is_finite()) {
            "a gradient that is not finite"
        } else if grad.iter().all(|&g| g == 0.0) && !may_be_zero(&parameter.name) {
            "a gradient of zero everywhere"
        } else {
            continue;
        };
        bad.push(format!("{} ({problem})", parameter.name));
    }
    if bad.is_empty() {
        return Ok(());
    }
    let found = bad.len();
    bad.truncate(NAMED);
    let more = if found > NAMED { format!(" and {} more", found - NAMED) } else { String::new() };
    Err(TrainError::Gradient(format!(
        "{found} of {} trainable tensors cannot learn: {}{more}; nothing was saved from this step. \
         Check the data, lower learning_rate, or leave these modules out of target_modules",
        parameters.len(),
        bad.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor, Var};

    use super::*;

    fn two_parameters() -> Parameters {
        let var = || Var::ones(2, DType::F32, &Device::Cpu).unwrap();
        Parameters::new([
            ("q.lora_A.weight".to_owned(), var()),
            ("q.lora_B.weight".to_owned(), var()),
        ])
    }

    fn gradients(parameters: &Parameters, a: f32, b: f32) -> Gradients {
        let mut gradients = Gradients::zeros(parameters);
        for (parameter, factor) in parameters.iter().zip([a, b]) {
            let factor = Tensor::new(&[factor; 2], &Device::Cpu).unwrap();
            let loss = (parameter.var.as_tensor() * factor).unwrap().sum_all().unwrap();
            gradients.add(parameters, &loss.backward().unwrap()).unwrap();
        }
        gradients
    }

    #[test]
    fn a_zero_is_forgiven_only_where_it_is_expected() {
        let parameters = two_parameters();
        let gradients = gradients(&parameters, 0.0, 1.0);
        let is_a = |name: &str| name.contains("lora_A");
        assert!(check_gradients(&parameters, &gradients, is_a).is_ok());
        let error = check_gradients(&parameters, &gradients, |_| false).unwrap_err().to_string();
        assert!(error.contains("1 of 2") && error.contains("q.lora_A.weight"), "{error}");
    }

    #[test]
    fn an_unreached_tensor_and_a_nan_are_never_forgiven() {
        let parameters = two_parameters();
        let unreached = Gradients::zeros(&parameters);
        assert!(check_gradients(&parameters, &unreached, |_| true).is_err());
        let nan = gradients(&parameters, f32::NAN, 1.0);
        assert!(check_gradients(&parameters, &nan, |_| true).is_err());
    }
}
