/** Features of a whole recording, or of a part of it. */

import type { DataScaling } from '../core/record.js';
import { scaleStep, scalingOver } from '../core/scaling.js';
import { joinedRows, rowsOf } from '../core/statistics.js';
import { FloatList, type Place } from '../core/store.js';
import type { RowPlace } from '../formats/table-records.js';
import type { WavFile } from '../formats/wav.js';
import { MAX_ELEMENTS } from '../reading/files.js';
import type { FeatureCache } from './feature-cache.js';
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

/** Samples of a recording. */
export interface Samples {
  readonly count: number;
  /** In a second. */
  readonly rate: number;
  readonly pieces: Iterable<Float64Array>;
}

/** @throws UserError (exit 5) if the recording has no such part, or if it is too long */
export function samplesOf(wav: WavFile, part: Part, { form, channel }: Extraction): Samples {
  const { rate } = wav;
  const { from, to } = rangeOf(wav, part, part.place, (form.window / form.rate) * rate);
  if (form.stepsOf((to - from) * (form.rate / rate)) * form.size > MAX_ELEMENTS)
    throw wav.damage('the recording is too long');
  const pieces = wav.samples({ from, to, channel: channel === 'mix' ? undefined : channel });
  return { count: to - from, rate, pieces };
}

/** Returns the features of a recording, `[frames, F]`. */
export function framesOf(
  { rate, pieces }: Samples,
  { form, scaling }: Pick<Extraction, 'form' | 'scaling'>,
): Float32Array {
  const out = new FloatList();
  const stream = form.listen(row => out.append(row), rate);
  for (const piece of pieces) stream.push(piece);
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

/** Samples of recordings, one after another: in memory, or in the file of a cache. */
export class KeptSamples {
  private readonly all = new FloatList();
  private readonly ends: number[] = [];
  private places: readonly Place[] | undefined;

  /** @param cache absent: they stay in memory */
  constructor(private readonly cache?: FeatureCache) {}

  /** Number of recordings. */
  get count(): number {
    return this.ends.length;
  }

  /**
   * Keeps the samples of the next recording.
   * @param key SHA-256 of what they are read from, lower-case hex
   * @param to their rate
   */
  keep(key: string, { rate, pieces }: Samples, to: number): void {
    const read = (): Float32Array => {
      const own = new FloatList();
      const converter = RateConverter.between(rate, to);
      const add = (piece: Float64Array) => own.append(Float32Array.from(piece));
      for (const piece of pieces) add(converter?.push(piece) ?? piece);
      if (converter) add(converter.end());
      return own.toArray();
    };
    if (this.cache) this.cache.next(key, read);
    else this.all.append(read());
    this.ends.push(this.all.size);
  }

  /** Call after the last recording. */
  end(): void {
    this.places = this.cache?.end();
  }

  /** Frees the file of the cache if `end` was not called. */
  close(): void {
    this.cache?.close();
  }

  /** Valid until the next call. */
  of(recording: number): Float32Array {
    if (this.cache === undefined)
      return this.all.subarray(this.ends[recording - 1] ?? 0, this.ends[recording]);
    const { file, ...range } = (this.places as readonly Place[])[recording];
    const { buffer, byteOffset, byteLength } = file.readNow(range);
    // a view of floats would have to begin at a multiple of four
    return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  }
}
