//! Sums of squared inputs of every linear, over chunks of a text. Summed in f64, row by row in the text's
//! order, so that neither threads nor the length of the text blur them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use export::gguf::ColumnSums;
use formats::gguf_model::gguf_name;

use crate::model::{
    AdapterWeights, Decoder, Error as ModelError, Kv, Observer, Site, Step, Wear, Worn, slice_of,
};

use super::{Chunks, Error, Result};

const HEAD: &str = "output.weight";

/// What is measured.
pub struct Subject<'a> {
    /// The base.
    pub decoder: &'a Decoder,
    /// What every token wears.
    pub adapter: Option<Arc<AdapterWeights>>,
    /// Whether the output head counts as one of the linears.
    pub head: bool,
}

/// Runs every chunk and sums up what each linear reads, by llama.cpp's tensor names. `progress` is told
/// how many chunks of how many are done.
///
/// # Errors
/// Chunks longer than the model's context; a head that is no matrix of its own; inputs that are not
/// finite.
pub fn collect(
    subject: &Subject,
    chunks: &Chunks,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<BTreeMap<String, ColumnSums>> {
    subject.check(chunks.size())?;
    let sums = Sums::default();
    for (done, ids) in chunks.iter().enumerate() {
        subject.run(&ids, &sums)?;
        progress(done + 1, chunks.count());
    }
    Ok(sums.0.into_inner())
}

impl Subject<'_> {
    fn check(&self, size: usize) -> Result<()> {
        let config = self.decoder.config();
        let most = config.max_position_embeddings;
        if size > most {
            let what =
                format!("a chunk of {size} tokens is longer than the model's {most} positions");
            return Err(Error::Refused(format!("{what}; make chunks shorter")));
        }
        let own_head = self.adapter.as_ref().is_some_and(|adapter| adapter.head.is_some());
        if self.head && config.tie_word_embeddings && !own_head {
            let what = "the model's head is its embedding, for which llama.cpp keeps no importance";
            return Err(Error::Refused(format!("{what}; leave the output head out")));
        }
        Ok(())
    }

    /// One chunk, a sequence of its own.
    fn run(&self, ids: &[u32], sums: &Sums) -> Result<()> {
        let worn = self.adapter.as_ref();
        let worn = worn.map(|adapter| Worn { rows: 0..ids.len(), adapter: Arc::clone(adapter) });
        let wear = worn.as_ref().map_or(Wear::Base, |w| Wear::Adapters(std::slice::from_ref(w)));
        let positions: Vec<u32> = (0..).take(ids.len()).collect();
        let lens = [ids.len()];
        let step = Step { ids, positions: &positions, wear, kv: Kv::Fresh { lens: &lens } };
        let hidden = self.decoder.pass(&step)?.observed(sums).hidden()?;
        if self.head {
            let columns = self.decoder.config().hidden_size;
            slice_of(&hidden, |x| sums.add(HEAD.to_owned(), &squares(x, columns)))
                .map_err(ModelError::from)?;
        }
        sums.check()
    }
}

/// The sums so far. One thread runs the model.
#[derive(Default)]
struct Sums(RefCell<BTreeMap<String, ColumnSums>>);

impl Observer for Sums {
    fn inputs(&self, layer: usize, sites: &[Site], x: &[f32], columns: usize) {
        let squares = squares(x, columns);
        for site in sites {
            self.add(name(layer, *site), &squares);
        }
    }
}

impl Sums {
    fn add(&self, name: String, squares: &ColumnSums) {
        let mut all = self.0.borrow_mut();
        let sums = all.entry(name).or_default();
        sums.in_sum2.resize(squares.in_sum2.len(), 0.0);
        sums.count += squares.count;
        sums.in_sum2.iter_mut().zip(&squares.in_sum2).for_each(|(sum, more)| *sum += more);
    }

    fn check(&self) -> Result<()> {
        let all = self.0.borrow();
        let bad = all.iter().find(|(_, sums)| sums.in_sum2.iter().any(|sum| !sum.is_finite()));
        bad.map_or(Ok(()), |(name, _)| {
            let what = format!("what `{name}` is multiplied with on this text is not finite");
            Err(Error::Refused(format!("{what}; check the weights (`wardrobe inspect`)")))
        })
    }
}

/// llama.cpp's name of a linear's weight.
fn name(layer: usize, site: Site) -> String {
    let name = format!("model.layers.{layer}.{}.weight", site.module_path());
    gguf_name(&name).unwrap_or(name)
}

/// The squares of each column of `x`, summed up.
fn squares(x: &[f32], columns: usize) -> ColumnSums {
    let mut in_sum2 = vec![0.0; columns];
    for row in x.chunks_exact(columns) {
        for (sum, value) in in_sum2.iter_mut().zip(row) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    ColumnSums { in_sum2, count: x.len() / columns }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_add_up_and_what_is_not_finite_is_refused() {
        let sums = Sums::default();
        sums.inputs(1, &[Site::Q, Site::K], &[1.0, 2.0, 3.0, -4.0], 2);
        sums.inputs(1, &[Site::Q], &[0.5, 0.0], 2);
        sums.check().unwrap();
        let is = |name: &str, in_sum2: &[f64], count: usize| {
            let expected = ColumnSums { in_sum2: in_sum2.to_vec(), count };
            assert_eq!(sums.0.borrow()[name], expected, "{name}");
        };
        is("blk.1.attn_q.weight", &[10.25, 20.0], 3);
        is("blk.1.attn_k.weight", &[10.0, 20.0], 2);
        sums.inputs(0, &[Site::Down], &[f32::NAN], 1);
        let error = sums.check().unwrap_err().to_string();
        assert!(error.starts_with("what `blk.0.ffn_down.weight` is multiplied with"), "{error}");
    }
}
