// SPDX-License-Identifier: MPL-2.0

//! From the name of a model to an engine that speaks with it, which all who name the same share.

use std::sync::Arc;

use duplex_synthesis::{Engine, Error, Request, Utterance, Voice};

use crate::{
    LoadError, NeuralEngine, Options, Precision, Settings,
    pocket::Pocket,
    published::Named,
    registry::{self, Progress},
};

/// Share of a load that reading is; the rest is the first words.
const READING: f64 = 0.8;

/// What is to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// The name of a published model that was fetched, or the folder of one.
    pub model: String,
    /// Of the large matrices.
    pub precision: Precision,
    /// Most utterances that are spoken at once; of whoever loads it.
    pub max_batch: usize,
}

impl Load {
    /// The engine: that of whoever has loaded the same, or else loaded now, which blocks for as long as that takes.
    /// `progress` hears how far it has come, in this thread; nothing where it is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the file that is missing or wrong, or with the memory that is.
    pub fn shared(&self, progress: &dyn Fn(&Progress)) -> Result<Arc<NeuralEngine>, Error> {
        // Two spellings of a folder are one model.
        let place = Named::of(&self.model);
        let key = format!("{place} {:?} cpu", self.precision);
        registry::engines().get(key, progress, |tell| {
            let reading = format!("reading {place}");
            let read = |share: f64| {
                tell(Progress {
                    done: share * READING,
                    what: reading.clone(),
                });
            };
            read(0.0);
            let unavailable = |error: LoadError| Error::Unavailable(error.to_string());
            let files = place.files().map_err(unavailable)?;
            let pocket = Pocket::open_watched(files, self.precision, &read).map_err(unavailable)?;
            tell(Progress {
                done: READING,
                what: "speaking a few words to nobody, to be warm".into(),
            });
            let options = Options {
                slots: self.max_batch,
                max_batch: self.max_batch,
                ..Options::default()
            };
            Ok(Arc::new(NeuralEngine::new(Arc::new(pocket), options)?))
        })
    }
}

/// A shared engine as one of those who share it uses it.
#[derive(Debug)]
pub struct Tuned {
    /// The engine.
    pub engine: Arc<NeuralEngine>,
    /// Of its utterances.
    pub settings: Settings,
}

impl Engine for Tuned {
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn voices(&self) -> Result<Vec<Voice>, Error> {
        self.engine.voices()
    }

    fn prepare(&self, request: &Request) -> Result<(), Error> {
        self.engine.prepare(request)
    }

    fn sample_rate(&self, request: &Request) -> Result<u32, Error> {
        self.engine.sample_rate(request)
    }

    fn open(&self, request: &Request) -> Result<Utterance, Error> {
        self.engine.open_with(request, self.settings)
    }
}
