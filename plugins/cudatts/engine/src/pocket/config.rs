// SPDX-License-Identifier: MPL-2.0

//! The configuration of a model of the Pocket TTS family, as it is published (the 4.x files).

use std::path::Path;

use duplex_yaml::{Form, Mapping, Report, Source, Spanned, yaml};

const FORM: Form = Form::new("a model's configuration");
/// No number of these files comes near.
const COUNT: std::ops::RangeInclusive<i64> = 1..=1 << 20;

/// All of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Text to latents.
    pub flow_lm: FlowLm,
    /// Latents to sound, and back.
    pub mimi: Mimi,
    /// How text is written for it.
    pub writing: Writing,
    /// Where the weights are published.
    pub weights: Option<String>,
    /// The same without what voice cloning needs, where that is published without a wait.
    pub weights_without_cloning: Option<String>,
    /// Frames after the end that the model recommends, in place of a guess by the number of words.
    pub frames_after_eos: Option<usize>,
    /// Temperature where nobody asks for another one.
    pub temperature: f32,
    /// The text is over once this is exceeded.
    pub eos_threshold: f32,
}

/// What is done to a text before it is tokenized.
#[derive(Clone, Debug, PartialEq)]
pub struct Writing {
    /// Spaces in front of less than five words.
    pub pad_short: bool,
    /// A semicolon becomes a comma.
    pub remove_semicolons: bool,
    /// It ends with a mark.
    pub append_punctuation: bool,
    /// It begins with a capital.
    pub capitalize: bool,
    /// Characters that the model has never seen, and what stands for them.
    pub replace: Vec<(char, String)>,
}

impl Default for Writing {
    fn default() -> Self {
        Writing {
            pad_short: false,
            remove_semicolons: false,
            append_punctuation: true,
            capitalize: true,
            replace: Vec::new(),
        }
    }
}

/// How a head makes a latent of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowType {
    /// Two times, one step.
    Lsd,
    /// One time, Euler's integration in sixteen steps.
    FlowMatching,
    /// No time: the latent is the head's answer.
    Drifting,
    /// No time: the latent is the noise and the head's answer.
    Pointwise,
}

impl FlowType {
    /// How many times condition the head.
    pub fn times(self) -> usize {
        match self {
            FlowType::Lsd => 2,
            FlowType::FlowMatching => 1,
            FlowType::Drifting | FlowType::Pointwise => 0,
        }
    }

    /// How often the head is asked.
    pub fn steps(self) -> usize {
        match self {
            FlowType::FlowMatching => 16,
            _ => 1,
        }
    }
}

/// How tokens are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenizerKind {
    /// A `tokenizer.json`.
    Tokenizers,
    /// A SentencePiece model.
    SentencePiece,
}

/// Text to latents.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowLm {
    /// Width and number of the head's blocks.
    pub flow_dim: usize,
    /// See above.
    pub flow_depth: usize,
    /// How the head works.
    pub flow_type: FlowType,
    /// The backbone.
    pub transformer: Transformer,
    /// Width of an entry of the table of tokens before it is projected; the backbone's own where `None`.
    pub token_rank: Option<usize>,
    /// Tokens that there are.
    pub token_count: usize,
    /// How they are made.
    pub tokenizer: TokenizerKind,
    /// Where the tokenizer is published.
    pub tokenizer_path: String,
    /// Width of what the head sees, where that is not the backbone's.
    pub z_dim: Option<usize>,
    /// A learnt vector stands in front of the voice.
    pub bos_before_voice: bool,
}

impl FlowLm {
    /// Width of what the head sees.
    pub fn conditioning(&self) -> usize {
        self.z_dim.unwrap_or(self.transformer.d_model)
    }
}

/// A causal transformer.
#[derive(Clone, Debug, PartialEq)]
pub struct Transformer {
    /// Width.
    pub d_model: usize,
    /// Heads of queries.
    pub num_heads: usize,
    /// Heads of keys and values.
    pub num_kv_heads: usize,
    /// Width of all queries.
    pub attn_dim: usize,
    /// Layers.
    pub num_layers: usize,
    /// Width of the feed-forward part.
    pub dim_feedforward: usize,
    /// Longest period of the rotation.
    pub max_period: f32,
    /// How far back it looks; for ever where `None`.
    pub context: Option<usize>,
    /// Each part is scaled before it is added.
    pub layer_scale: bool,
}

/// The transformer of a codec, with projections where widths differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Projected {
    /// The transformer.
    pub transformer: Transformer,
    /// Width of what goes in.
    pub input: usize,
    /// Width of what comes out.
    pub output: usize,
}

/// One side of the codec's convolutions.
#[derive(Clone, Debug, PartialEq)]
pub struct SeaNet {
    /// Width between the convolutions and the transformer.
    pub dimension: usize,
    /// Channels of sound.
    pub channels: usize,
    /// Channels next to the sound.
    pub n_filters: usize,
    /// Residual blocks after each change of rate.
    pub n_residual_layers: usize,
    /// Changes of rate, from the slow side.
    pub ratios: Vec<usize>,
    /// Of the convolution on the slow side of a decoder.
    pub kernel_size: usize,
    /// Of a residual block's first.
    pub residual_kernel_size: usize,
    /// Of the last one.
    pub last_kernel_size: usize,
    /// Dilation of the j-th residual block is its j-th power.
    pub dilation_base: usize,
    /// How much narrower a residual block is inside.
    pub compress: usize,
    /// What stands before the first sample: zeros, or copies of it.
    pub replicate: bool,
}

impl SeaNet {
    /// Samples for one vector on the slow side.
    pub fn hop(&self) -> usize {
        self.ratios.iter().product()
    }
}

/// The codec.
#[derive(Clone, Debug, PartialEq)]
pub struct Mimi {
    /// Samples per second.
    pub sample_rate: u32,
    /// Latents per second.
    pub frame_rate: f64,
    /// Width of a latent of the encoder.
    pub inner_dim: Option<usize>,
    /// Width of the decoder before its transformer.
    pub outer_dim: Option<usize>,
    /// Width of a latent.
    pub latent: usize,
    /// Width of a latent once it is projected.
    pub latent_projected: usize,
    /// The encoder's.
    pub encoder: SeaNet,
    /// The encoder's.
    pub encoder_transformer: Projected,
    /// The decoder's.
    pub decoder: SeaNet,
    /// The decoder's.
    pub decoder_transformer: Projected,
}

impl Mimi {
    /// Samples of a latent.
    pub fn frame_samples(&self) -> usize {
        (f64::from(self.sample_rate) / self.frame_rate).round() as usize
    }

    /// Vectors on the slow side of the convolutions for a latent.
    pub fn upsampling(&self) -> usize {
        self.frame_samples() / self.decoder.hop()
    }
}

impl Config {
    /// Reads a file. Everything that is wrong with it is told at once.
    pub fn read(path: &Path) -> Result<Config, Report> {
        Config::of(Source::read(path, &FORM)?)
    }

    /// Reads a text; `name` is what messages call it.
    pub fn parse(name: &str, text: &str) -> Result<Config, Report> {
        Config::of(Source {
            name: name.into(),
            text: text.into(),
        })
    }

    fn of(source: Source) -> Result<Config, Report> {
        let mut report = Report::new(source.clone());
        let Some(root) = yaml::parse(&source, &FORM, &mut report) else {
            if report.is_empty() {
                report.whole_file("is empty: it is to say how a model is built");
            }
            return Err(report);
        };
        let mut file = Mapping::root(&root, &FORM, &mut report);
        let mut reading = Reading {
            report: &mut report,
        };
        let config = reading.config(&mut file);
        file.finish(&mut report);
        match config {
            Some(config) if report.is_empty() => Ok(config),
            _ => {
                if report.is_empty() {
                    report.whole_file("is no configuration of Pocket TTS");
                }
                Err(report)
            }
        }
    }
}

struct Reading<'r> {
    report: &'r mut Report,
}

impl Reading<'_> {
    fn config(&mut self, file: &mut Mapping<'_>) -> Option<Config> {
        file.require(&["flow_lm", "mimi"], self.report);
        let text = |value: Option<Spanned<String>>| value.map(|value| value.value);
        let defaults = Writing::default();
        let writing = Writing {
            pad_short: self.yes(file, "pad_with_spaces_for_short_inputs", defaults.pad_short),
            remove_semicolons: self.yes(file, "remove_semicolons", defaults.remove_semicolons),
            append_punctuation: self.yes(
                file,
                "append_terminal_punctuation",
                defaults.append_punctuation,
            ),
            capitalize: self.yes(file, "capitalize_first_letter", defaults.capitalize),
            replace: self.replacements(file),
        };
        let weights = text(file.string("weights_path", self.report));
        let weights_without_cloning =
            text(file.string("weights_path_without_voice_cloning", self.report));
        let frames_after_eos = file
            .integer("model_recommended_frames_after_eos", 0..=1_000, self.report)
            .map(|count| count.value as usize);
        let temperature = file.float("default_temperature", 0.0..=10.0, self.report);
        let eos_threshold = file.float("default_eos_threshold", -1e3..=1e3, self.report);
        let flow_lm = file.mapping("flow_lm", self.report);
        let flow_lm = flow_lm.and_then(|mapping| self.flow_lm(mapping));
        let mimi = file.mapping("mimi", self.report);
        let mimi = mimi.and_then(|mapping| self.mimi(mapping));
        let (flow_lm, mimi) = (flow_lm?, mimi?);
        Some(Config {
            flow_lm,
            mimi,
            writing,
            weights,
            weights_without_cloning,
            frames_after_eos,
            temperature: temperature.map_or(0.3, |value| value.value as f32),
            eos_threshold: eos_threshold.map_or(-4.0, |value| value.value as f32),
        })
    }

    fn flow_lm(&mut self, mut mapping: Mapping<'_>) -> Option<FlowLm> {
        mapping.require(&["flow", "transformer", "lookup_table"], self.report);
        self.number_type(&mut mapping);
        let _published_apart = mapping.string("weights_path", self.report);
        let bos_before_voice = self.yes(&mut mapping, "insert_bos_before_voice", false);
        let z_dim = self.maybe(&mut mapping, "z_dim");

        let flow = mapping.mapping("flow", self.report).and_then(|mut flow| {
            let dim = self.count(&mut flow, "dim");
            let depth = self.count(&mut flow, "depth");
            let kind = flow.one_of(
                "type",
                &[
                    ("lsd", FlowType::Lsd),
                    ("flow_matching", FlowType::FlowMatching),
                    ("drifting", FlowType::Drifting),
                    ("pointwise", FlowType::Pointwise),
                ],
                self.report,
            );
            flow.finish(self.report);
            Some((dim?, depth?, kind.map_or(FlowType::Lsd, |kind| kind.value)))
        });
        let transformer =
            mapping
                .mapping("transformer", self.report)
                .and_then(|mut transformer| {
                    let at = transformer.at();
                    let d_model = self.count(&mut transformer, "d_model");
                    let num_heads = self.count(&mut transformer, "num_heads");
                    let num_layers = self.count(&mut transformer, "num_layers");
                    let hidden_scale = self.count(&mut transformer, "hidden_scale");
                    let max_period = self.count(&mut transformer, "max_period");
                    let attn_dim = self.maybe(&mut transformer, "attn_dim");
                    let num_kv_heads = self.maybe(&mut transformer, "num_kv_heads");
                    let dim_feedforward = self.maybe(&mut transformer, "dim_feedforward");
                    transformer.finish(self.report);
                    let (d_model, num_heads) = (d_model?, num_heads?);
                    let made = Transformer {
                        d_model,
                        num_heads,
                        num_kv_heads: num_kv_heads.unwrap_or(num_heads),
                        attn_dim: attn_dim.unwrap_or(d_model),
                        num_layers: num_layers?,
                        dim_feedforward: dim_feedforward.unwrap_or(d_model * hidden_scale?),
                        max_period: max_period? as f32,
                        context: None,
                        layer_scale: false,
                    };
                    self.divides(&made, at);
                    Some(made)
                });
        let table = mapping
            .mapping("lookup_table", self.report)
            .and_then(|mut table| {
                let dim = self.count(&mut table, "dim");
                let bins = self.count(&mut table, "n_bins");
                let kind = table.one_of(
                    "tokenizer",
                    &[
                        ("tokenizers", TokenizerKind::Tokenizers),
                        ("json", TokenizerKind::Tokenizers),
                        ("sentencepiece", TokenizerKind::SentencePiece),
                    ],
                    self.report,
                );
                let path = table.string("tokenizer_path", self.report);
                let rank = self.maybe(&mut table, "rank");
                let at = table.at();
                table.require(&["tokenizer", "tokenizer_path"], self.report);
                table.finish(self.report);
                let (kind, path) = (kind?, path?);
                // As the reference: the suffix decides where it says more than the name.
                let json = path
                    .value
                    .split('@')
                    .next()
                    .is_some_and(|path| path.ends_with(".json"));
                let kind = if json {
                    TokenizerKind::Tokenizers
                } else {
                    kind.value
                };
                Some((dim?, bins?, kind, path.value, rank, at))
            });
        mapping.finish(self.report);
        let (flow_dim, flow_depth, flow_type) = flow?;
        let transformer = transformer?;
        let (dim, token_count, tokenizer, tokenizer_path, token_rank, at) = table?;
        if dim != transformer.d_model {
            self.report.add(
                at,
                format!(
                    "`dim` is {dim}, and the transformer that reads the tokens is {} wide",
                    transformer.d_model
                ),
            );
        }
        Some(FlowLm {
            flow_dim,
            flow_depth,
            flow_type,
            transformer,
            token_rank,
            token_count,
            tokenizer,
            tokenizer_path,
            z_dim,
            bos_before_voice,
        })
    }

    fn mimi(&mut self, mut mapping: Mapping<'_>) -> Option<Mimi> {
        let at = mapping.at();
        mapping.require(&["seanet", "transformer", "quantizer"], self.report);
        self.number_type(&mut mapping);
        let _published_apart = mapping.string("weights_path", self.report);
        let sample_rate = mapping.integer("sample_rate", 8_000..=192_000, self.report);
        let frame_rate = mapping.float("frame_rate", 1.0..=1_000.0, self.report);
        let channels = mapping.integer("channels", 1..=1, self.report);
        let inner_dim = self.maybe(&mut mapping, "inner_dim");
        let outer_dim = self.maybe(&mut mapping, "outer_dim");
        mapping.require(&["sample_rate", "frame_rate", "channels"], self.report);
        let encoder = mapping.mapping("seanet", self.report);
        let encoder = encoder.and_then(|side| self.seanet(side));
        let encoder_transformer = mapping.mapping("transformer", self.report);
        let encoder_transformer = encoder_transformer.and_then(|side| self.projected(side));
        let decoder = mapping.mapping("decoder_seanet", self.report);
        let decoder = decoder.and_then(|side| self.seanet(side));
        let decoder_transformer = mapping.mapping("decoder_transformer", self.report);
        let decoder_transformer = decoder_transformer.and_then(|side| self.projected(side));
        let quantizer = mapping
            .mapping("quantizer", self.report)
            .and_then(|mut quantizer| {
                let dimension = self.count(&mut quantizer, "dimension");
                let output = self.count(&mut quantizer, "output_dimension");
                quantizer.finish(self.report);
                Some((dimension?, output?))
            });
        mapping.finish(self.report);
        let _mono = channels?;
        let (encoder, encoder_transformer) = (encoder?, encoder_transformer?);
        let (latent, latent_projected) = quantizer?;
        let made = Mimi {
            sample_rate: sample_rate?.value as u32,
            frame_rate: frame_rate?.value,
            inner_dim,
            outer_dim,
            latent,
            latent_projected,
            decoder: decoder.unwrap_or_else(|| encoder.clone()),
            decoder_transformer: decoder_transformer.unwrap_or_else(|| encoder_transformer.clone()),
            encoder,
            encoder_transformer,
        };
        let samples = made.frame_samples();
        if samples == 0 || !samples.is_multiple_of(made.decoder.hop()) {
            self.report.add(
                at,
                format!(
                    "a frame of {samples} samples is no multiple of the {} that `ratios` make of each vector",
                    made.decoder.hop()
                ),
            );
        }
        Some(made)
    }

    fn seanet(&mut self, mut mapping: Mapping<'_>) -> Option<SeaNet> {
        let replicate = mapping.one_of(
            "pad_mode",
            &[("constant", false), ("replicate", true)],
            self.report,
        );
        let ratios = mapping.strings("ratios", self.report).map(|ratios| {
            let parsed = ratios.iter().filter_map(|ratio| {
                let count: Option<usize> = ratio.value.parse().ok().filter(|count| *count > 0);
                if count.is_none() {
                    let what = format!("`{}` is not a number of samples", ratio.value);
                    self.report.add(ratio.at, what);
                }
                count
            });
            parsed.collect::<Vec<usize>>()
        });
        let made = (
            self.count(&mut mapping, "dimension"),
            self.count(&mut mapping, "channels"),
            self.count(&mut mapping, "n_filters"),
            self.count(&mut mapping, "n_residual_layers"),
            self.count(&mut mapping, "kernel_size"),
            self.count(&mut mapping, "residual_kernel_size"),
            self.count(&mut mapping, "last_kernel_size"),
            self.count(&mut mapping, "dilation_base"),
            self.count(&mut mapping, "compress"),
        );
        mapping.require(&["ratios", "pad_mode"], self.report);
        mapping.finish(self.report);
        Some(SeaNet {
            dimension: made.0?,
            channels: made.1?,
            n_filters: made.2?,
            n_residual_layers: made.3?,
            kernel_size: made.4?,
            residual_kernel_size: made.5?,
            last_kernel_size: made.6?,
            dilation_base: made.7?,
            compress: made.8?,
            ratios: ratios?,
            replicate: replicate?.value,
        })
    }

    fn projected(&mut self, mut mapping: Mapping<'_>) -> Option<Projected> {
        let at = mapping.at();
        let d_model = self.count(&mut mapping, "d_model");
        let input = self.count(&mut mapping, "input_dimension");
        let outputs = mapping.strings("output_dimensions", self.report);
        let num_heads = self.count(&mut mapping, "num_heads");
        let num_layers = self.count(&mut mapping, "num_layers");
        let _at_the_start_of_training = mapping.float("layer_scale", 0.0..=1.0, self.report);
        let context = self.count(&mut mapping, "context");
        let max_period = mapping.float("max_period", 1.0..=1e9, self.report);
        let dim_feedforward = self.count(&mut mapping, "dim_feedforward");
        mapping.require(&["output_dimensions", "layer_scale"], self.report);
        mapping.finish(self.report);
        let (d_model, num_heads) = (d_model?, num_heads?);
        let output = match outputs.as_deref() {
            Some([output]) => output.value.parse().ok(),
            _ => None,
        };
        let Some(output) = output else {
            self.report.add(
                at,
                "`output_dimensions` is a list of one width, such as [512]",
            );
            return None;
        };
        let transformer = Transformer {
            d_model,
            num_heads,
            num_kv_heads: num_heads,
            attn_dim: d_model,
            num_layers: num_layers?,
            dim_feedforward: dim_feedforward?,
            max_period: max_period.map_or(10_000.0, |period| period.value as f32),
            context: Some(context?),
            layer_scale: true,
        };
        self.divides(&transformer, at);
        Some(Projected {
            transformer,
            input: input?,
            output,
        })
    }

    fn divides(&mut self, transformer: &Transformer, at: duplex_yaml::Span) {
        let Transformer {
            attn_dim,
            num_heads,
            num_kv_heads,
            ..
        } = *transformer;
        if !attn_dim.is_multiple_of(2 * num_heads) {
            self.report.add(
                at,
                format!("{num_heads} heads do not share a width of {attn_dim} in even parts"),
            );
        } else if !num_heads.is_multiple_of(num_kv_heads) {
            self.report.add(
                at,
                format!("{num_heads} heads do not share {num_kv_heads} heads of keys evenly"),
            );
        }
    }

    fn replacements(&mut self, file: &mut Mapping<'_>) -> Vec<(char, String)> {
        let pairs = file
            .map("replace_characters", self.report)
            .unwrap_or_default();
        let mut replace = Vec::new();
        for (from, to) in pairs {
            let mut characters = from.value.chars();
            match (characters.next(), characters.next()) {
                (Some(one), None) => replace.push((one, to.value)),
                _ => self
                    .report
                    .add(from.at, format!("`{}` is not one character", from.value)),
            }
        }
        replace
    }

    fn number_type(&mut self, mapping: &mut Mapping<'_>) {
        mapping.one_of("dtype", &[("float32", ())], self.report);
    }

    fn yes(&mut self, mapping: &mut Mapping<'_>, key: &str, default: bool) -> bool {
        let value = mapping.boolean(key, self.report);
        value.map_or(default, |value| value.value)
    }

    fn maybe(&mut self, mapping: &mut Mapping<'_>, key: &str) -> Option<usize> {
        let value = mapping.integer(key, COUNT, self.report);
        value.map(|value| value.value as usize)
    }

    fn count(&mut self, mapping: &mut Mapping<'_>, key: &str) -> Option<usize> {
        mapping.require(&[key], self.report);
        self.maybe(mapping, key)
    }
}
