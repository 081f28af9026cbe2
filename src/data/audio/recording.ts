/** Features of a whole recording, or of a part of it. */
import type { DataScaling } from '../core/record.js';
import { scaleStep, scalingOver } from '../core/scaling.js';
import { joinedRows, rowsOf } from '../core/statistics.js';
import { FloatList } from '../core/store.js';
import type { RowPlace } from '../formats/tables.js';
import type { WavFile } from '../formats/wav.js';
import { MAX_ELEMENTS } from '../reading/files.js';
import type { FeatureForm } from './features.js';
import { RateConverter } from './rate.js';
import { rangeOf } from './sounds.js';

/** What of a recording is read. */
export interface Part {
  /** In seconds; absent: the whole recording. */
  readonly start?: number | undefined;
  readonly end?: number | undefined;
  /** For problems: its file, or its row of a table. */
  readonly place: { readonly file: string } & Partial<RowPlace>;
}

/** A recording, or a part of one. */
export interface Recording extends Part {
  readonly file: string;
  /** Its name in predictions. */
  readonly id: string;
  valueOf(column: string): string | undefined;
}

/** How recordings become features. */
export interface Extraction {
  readonly form: FeatureForm;
  readonly channel: number | 'mix';
  /** Of the features over each recording; undefined: none. */
  readonly scaling: DataScaling['method'] | undefined;
}

/** The samples of a recording at the rate of the features, in pieces. */
export function* samplesOf(wav: WavFile, part: Part, { form, channel }: Extraction): Generator<Float64Array> {
  const { from, to } = rangeOf(wav, part, part.place, (form.window / form.rate) * wav.rate);
  if (form.stepsOf((to - from) * (form.rate / wav.rate)) * form.size > MAX_ELEMENTS)
    throw wav.damage('the recording is too long');
  if (typeof channel === 'number' && channel >= wav.channels)
    throw wav.damage(`the recording has no channel ${channel}`, { got: `${wav.channels} channels` });
  const converter = wav.rate === form.rate ? undefined : new RateConverter(wav.rate, form.rate);
  for (const samples of wav.samples({ from, to, channel: channel === 'mix' ? undefined : channel }))
    yield converter?.push(samples) ?? samples;
  if (converter) yield converter.end();
}

/** Returns the features of a recording, `[frames, F]`. */
export function framesOf(samples: Iterable<Float64Array>, { form, scaling }: Extraction): Float32Array {
  const out = new FloatList();
  const stream = form.listen(row => out.append(row));
  for (const piece of samples) stream.push(piece);
  stream.end();
  const values = out.toArray();
  if (scaling) scaleTogether([values], form.size, scaling);
  return values;
}

/** Scales each feature of some recordings over all of their frames, as `scaling.ts` does. */
export function scaleTogether(
  recordings: readonly Float32Array[],
  size: number,
  method: DataScaling['method'],
): void {
  const parts = recordings.map(values => rowsOf(values, size));
  const scaling = scalingOver(method, size, joinedRows(parts));
  for (const [i, rows] of parts.entries()) rows((_, at) => scaleStep(recordings[i], at, scaling));
}

/** Samples of recordings, one after another. */
export class KeptSamples {
  private readonly all = new FloatList();
  private readonly ends: number[] = [];

  /** Number of recordings. */
  get count(): number {
    return this.ends.length;
  }

  /** Keeps the samples of the next recording as they are read. */
  *keep(samples: Iterable<Float64Array>): Generator<Float64Array> {
    for (const piece of samples) {
      this.all.append(Float32Array.from(piece));
      yield piece;
    }
    this.ends.push(this.all.size);
  }

  /** A view, valid until more are kept. */
  of(recording: number): Float32Array {
    return this.all.subarray(this.ends[recording - 1] ?? 0, this.ends[recording]);
  }
}
