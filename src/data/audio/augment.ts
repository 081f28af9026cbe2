/**
 * Random changes of recordings in training, functions of a key for each step and row (see
 * `Split.read`):
 *
 *     shift            x_(t - s), zero outside of the recording; s uniform in [-shift, shift]
 *     noise            x + n sqrt(E_x / E_n) 10^(-r / 20) with energies E = sum x², r uniform in
 *                      `ratio`; n is a part of a random recording, repeated if that is shorter
 *     gain             x 10^(g / 20), g uniform in [-gain, gain]
 *     warp             band b becomes that at a (b + 1) - 1, between two bands if that is no
 *                      integer, a uniform in [1 - warp, 1 + warp]: voices with other vocal tracts
 *                      (Jaitly and Hinton, 2013, but of mels, not of hertz)
 *     time masks       a run of floor(w) frames becomes the mean of the recording, w uniform in
 *                      [0, width); its start is floor(u), u uniform in [0, frames - w)
 *     frequency masks  the same, of bands, with their derivatives
 *
 * Masks are those of SpecAugment (Park et al., 2019) as by `mask_along_axis` of torchaudio; noise
 * is added as by its `add_noise`.
 */

import { relative } from '../../host/index.js';
import { uniform } from '../../util/random.js';
import type { DataFile } from '../core/dataset.js';
import { configError, type Problems } from '../core/problems.js';
import type { Packed } from '../core/store.js';
import { unconverted, WavFile } from '../formats/wav.js';
import { AUDIO_NAME } from '../reading/facts.js';
import { folderOf, inputFiles, MAX_BYTES, readContent, staysOnDisk } from '../reading/files.js';
import { memoryBytes } from '../reading/ranged-file.js';
import type { AugmentConfig, FeatureConfig } from './facts.js';
import { FeatureCache } from './feature-cache.js';
import type { FeatureForm } from './features.js';
import { type Extraction, framesOf, KeptSamples, type Samples, samplesOf } from './recording.js';

export function changesSamples({ shift, noise, gain }: AugmentConfig): boolean {
  return shift !== undefined || noise !== undefined || gain !== undefined;
}

/** Refuses changes of bands that there are not. */
export function checkAugment(config: AugmentConfig, { kind }: FeatureConfig): void {
  const wrong = (['warp', 'frequency_masks'] as const).filter(name => config[name] !== undefined);
  if (kind === 'log_mel' || wrong.length === 0) return;
  throw configError(
    ...wrong.map(name => ({
      code: 'data/augment',
      keyPath: ['dataset', 'augment', name],
      message: `features of kind ${kind} have no bands`,
      expected: `\`features.kind: log_mel\`, or no \`${name}\``,
    })),
  );
}

interface Material {
  /** Of the training recordings; present if they change. */
  readonly samples: KeptSamples | undefined;
  readonly problems: Problems;
  /** Files of noise are added to it. */
  readonly sources: DataFile[];
  /** `dataset.memory`. */
  readonly memory: number | undefined;
}

/** Numbers of the draws for a recording: what one change draws is the same with others. */
const DRAWS = { shift: 0, gain: 1, noise: 2, warp: 5, time_masks: 1000, frequency_masks: 2000 };

/** Returns what makes other features of those of recording `index`, by the key `draw`. */
export async function augmentation(
  config: AugmentConfig,
  extraction: Extraction,
  { samples, ...from }: Material,
): Promise<NonNullable<Packed['augment']>> {
  const { form } = extraction;
  const noise = config.noise && (await readNoise(config.noise.path, form, from));
  return (features, index, draw) => {
    const random = (number: number) => uniform(draw, number);
    const changed = samples && changedSamples(samples.of(index), config, { rate: form.rate, noise, random });
    const values = changed ? framesOf(changed, extraction) : features.slice();
    if (config.warp !== undefined) warp(values, form, 1 + (2 * random(DRAWS.warp) - 1) * config.warp);
    mask(values, form, config, random);
    return values;
  };
}

/** The file that keeps the samples of the recordings of `path`. */
export function sampleCache(path: string, { form, channel }: Extraction): FeatureCache {
  const folder = folderOf(path);
  const name = relative(folder, path);
  return new FeatureCache(folder, { version: 1, path: name, samples: form.rate, channel }, true);
}

async function readNoise(
  path: string,
  form: FeatureForm,
  { problems, sources, memory }: Omit<Material, 'samples'>,
): Promise<KeptSamples> {
  const folder = folderOf(path);
  const files = unconverted(await inputFiles(path, AUDIO_NAME));
  const isOnDisk = await staysOnDisk(files, { memory }, MAX_BYTES);
  const extraction = { form, channel: 'mix', scaling: undefined } as const;
  const noise = new KeptSamples(isOnDisk ? sampleCache(path, extraction) : undefined);
  try {
    for (const file of files) {
      const { bytes, sha256 } = await readContent(file);
      sources.push({ name: file, sha256, folder });
      problems.attempt(() => {
        const wav = new WavFile(memoryBytes(file, bytes));
        noise.keep(sha256, samplesOf(wav, { place: { file } }, extraction), form.rate);
      });
    }
    noise.end();
  } finally {
    noise.close();
  }
  return noise;
}

interface SampleChanges {
  readonly rate: number;
  readonly noise: KeptSamples | undefined;
  readonly random: (number: number) => number;
}

function changedSamples(
  given: Float32Array,
  config: AugmentConfig,
  { rate, noise, random }: SampleChanges,
): Samples {
  const { shift = 0, gain = 0 } = config;
  const moved = Math.round(((2 * random(DRAWS.shift) - 1) * shift * rate) / 1000);
  const { length } = given;
  const samples = new Float64Array(length);
  for (let t = Math.max(0, moved); t < length + Math.min(0, moved); t++) samples[t] = given[t - moved];
  if (config.noise && noise) {
    const [low, high] = config.noise.ratio;
    const [which, where, loudness] = [0, 1, 2].map(number => random(DRAWS.noise + number));
    const all = noise.of(Math.floor(which * noise.count));
    const start = Math.floor(where * all.length);
    const added = samples.map((_, t) => all[(start + t) % all.length]);
    const ratio = 10 ** ((low + loudness * (high - low)) / 10);
    const energy = energyOf(added);
    // silence stays silence
    const scale = energy > 0 ? Math.sqrt(energyOf(samples) / energy / ratio) : 0;
    for (let t = 0; t < samples.length; t++) samples[t] += scale * added[t];
  }
  const factor = 10 ** (((2 * random(DRAWS.gain) - 1) * gain) / 20);
  return { count: length, rate, pieces: [samples.map(sample => factor * sample)] };
}

function energyOf(samples: Float64Array): number {
  return samples.reduce((sum, sample) => sum + sample * sample, 0);
}

/** @param values `[frames, F]` */
function warp(values: Float32Array, { frames: { size: bands } }: FeatureForm, factor: number): void {
  const given = values.slice();
  for (let at = 0; at < values.length; at++) {
    const band = at % bands;
    const position = Math.max(0, Math.min(bands - 1, factor * (band + 1) - 1));
    const below = Math.floor(position);
    const [low, high] = [below, Math.min(bands - 1, below + 1)].map(one => given[at - band + one]);
    values[at] = low + (position - below) * (high - low);
  }
}

/** @param values `[frames, F]` */
function mask(
  values: Float32Array,
  { size, frames: { size: bands } }: Extraction['form'],
  { time_masks, frequency_masks }: AugmentConfig,
  random: (number: number) => number,
): void {
  const frames = values.length / size;
  const means = new Float64Array(size);
  for (let at = 0; at < values.length; at++) means[at % size] += values[at] / frames;
  const each = (count: number, first: number, length: number, width: number, hide: (at: number) => void) => {
    for (let i = 0; i < count; i++) {
      const own = random(first + 2 * i) * Math.min(width, length);
      const start = Math.floor(random(first + 2 * i + 1) * (length - own));
      for (let at = start; at < start + Math.floor(own); at++) hide(at);
    }
  };
  if (time_masks) {
    const { count, width, fraction } = time_masks;
    const most = Math.min(width, Math.floor(fraction * frames));
    each(count, DRAWS.time_masks, frames, most, frame => values.set(means, frame * size));
  }
  if (frequency_masks) {
    const { count, width } = frequency_masks;
    each(count, DRAWS.frequency_masks, bands, width, band => {
      for (let at = 0; at < values.length; at++) if (at % bands === band) values[at] = means[at % size];
    });
  }
}
