// SPDX-License-Identifier: MPL-2.0

//! What went wrong, as gRPC tells it.

use duplex_synthesis::Error;
use tonic::Status;

use crate::{models::ModelError, sessions::Refused};

/// Of an engine.
pub fn from_engine(error: Error) -> Status {
    let sentence = error.to_string();
    match error {
        Error::NoSuchVoice { .. } | Error::BadRequest(_) => Status::invalid_argument(sentence),
        Error::Unavailable(_) => Status::unavailable(sentence),
        Error::Busy(_) => Status::resource_exhausted(sentence),
        Error::Cancelled => Status::cancelled(sentence),
        Error::Failed(_) => Status::internal(sentence),
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let sentence = refused.to_string();
        match refused {
            Refused::Full(_) | Refused::Busy(_) => Self::resource_exhausted(sentence),
            Refused::Unknown(_) => Self::not_found(sentence),
        }
    }
}

impl From<ModelError> for Status {
    fn from(error: ModelError) -> Self {
        let sentence = error.to_string();
        match error {
            ModelError::Unknown { .. } => Self::not_found(sentence),
            ModelError::NotLoaded(_) => Self::failed_precondition(sentence),
            ModelError::Failed { error, .. } => Self::new(from_engine(error).code(), sentence),
        }
    }
}
