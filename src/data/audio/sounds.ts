/** Pictures of recordings: their waveform and spectrogram, computed from the samples of a file. */
import { fs } from '../../host/index.js';
import { type Diagnostic, damagedError, UserError } from '../../util/errors.js';
import { codeOf } from '../../util/system-errors.js';
import type { RecordingPart } from '../core/dataset.js';
import { WavFile } from '../formats/wav.js';
import { decompressed } from '../reading/files.js';
import { memoryBytes } from '../reading/ranged-file.js';
import { FeatureForm } from './features.js';

export interface Sound {
  /** Samples per second. */
  readonly rate: number;
  readonly samples: Float64Array;
}

/**
 * The samples of a part, from `from` to `to`. An end at most `slack` samples after that of the
 * recording is that end, since annotations are rounded.
 * @throws UserError (exit 5) if the recording has no such part
 */
export function rangeOf(
  wav: WavFile,
  { start = 0, end }: Pick<RecordingPart, 'start' | 'end'>,
  place: Partial<Diagnostic>,
  slack: number,
) {
  const from = Math.round(start * wav.rate);
  const last = end === undefined ? wav.length : Math.round(end * wav.rate);
  const to = Math.min(last, wav.length);
  if (from >= 0 && from < to && last - to <= slack) return { from, to };
  throw damagedError('data/audio-part', 'the recording has no such part', {
    ...place,
    expected: `0 <= start < end <= ${wav.length / wav.rate} seconds`,
    got: `${start} to ${end ?? 'its end'}`,
  });
}

/** Reads a recording that was read before; undefined if its file has gone or has changed. */
export function readSound(part: RecordingPart): Sound | undefined {
  const { file, channel } = part;
  try {
    const wav = new WavFile(memoryBytes(file, decompressed(fs.readFileSync(file), file)));
    const { from, to } = rangeOf(wav, part, { file }, Number.POSITIVE_INFINITY);
    const samples = new Float64Array(to - from);
    let at = 0;
    for (const piece of wav.samples({ from, to, channel: channel === 'mix' ? undefined : channel })) {
      samples.set(piece, at);
      at += piece.length;
    }
    return { rate: wav.rate, samples };
  } catch (error) {
    if (error instanceof UserError || codeOf(error) !== undefined) return undefined;
    throw error;
  }
}

/** The largest absolute sample of each of at most `columns` equal parts. */
export function waveform({ samples }: Sound, columns: number): number[] {
  const count = Math.min(columns, samples.length);
  const at = (i: number): number => Math.floor((i * samples.length) / count);
  return Array.from({ length: count }, (_, i) =>
    samples.subarray(at(i), at(i + 1)).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0),
  );
}

/** Decibels below the loudest at which a picture is black. */
const RANGE = 60;
/** In milliseconds. */
const HOP = 10;
const WINDOW = 25;
/** In samples; enough for the bands of a picture. */
const MIN_WINDOW = 256;

/**
 * The power in mel bands over time, in at most `columns` columns: 255 for the loudest, 0 for 60
 * decibels less, band by band from the highest.
 */
export function spectrogram({ rate, samples }: Sound, bands: number, columns: number): Uint8Array {
  const window = Math.max(WINDOW, (1000 * MIN_WINDOW) / rate);
  const most = (1000 * samples.length) / rate - window;
  const form = new FeatureForm(
    {
      ...{ kind: 'log_mel', bands, window, hop: Math.max(HOP, most / (columns - 1)) },
      ...{ min_frequency: 0, scale: 'htk', floor: 1e-10, deltas: 0 },
    },
    rate,
  );
  const frames: Float32Array[] = [];
  const stream = form.listen(row => frames.push(row));
  stream.push(samples);
  stream.end();
  const shown = frames.slice(0, columns);
  const loudest = shown.reduce((most, row) => Math.max(most, ...row), Number.NEGATIVE_INFINITY);
  const picture = new Uint8Array(bands * shown.length);
  for (const [t, row] of shown.entries())
    for (let band = 0; band < bands; band++) {
      const decibels = (10 / Math.LN10) * (row[band] - loudest);
      picture[(bands - 1 - band) * shown.length + t] = Math.round(255 * Math.max(0, 1 + decibels / RANGE));
    }
  return picture;
}
