/** Features that torchaudio computed, see `test/fixtures/audio/features.py`. */
import type { FeatureConfig } from '../../src/data/audio/facts.js';
import { FeatureForm } from '../../src/data/audio/features.js';

export interface FeatureCase {
  readonly name: string;
  readonly rate: number;
  readonly settings: Partial<FeatureConfig>;
  /** Float32, base64. */
  readonly samples: string;
  readonly size: number;
  readonly features: string;
}

const floats = (text: string) => new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);

const DEFAULTS = {
  ...{ window: 25, hop: 10, bands: 40, min_frequency: 0, scale: 'htk', floor: 1e-10 },
  ...{ coefficients: 13, lifter: 0, deltas: 0 },
};
export const formOf = (settings: object, rate: number) =>
  new FeatureForm({ ...DEFAULTS, ...settings } as unknown as FeatureConfig, rate);

/** Features of samples that come in pieces of at most `size`. */
export function featuresOf(
  samples: Float64Array,
  form: FeatureForm,
  { size = samples.length, rate }: { readonly size?: number; readonly rate?: number } = {},
): number[] {
  const rows: number[] = [];
  const stream = form.listen(row => rows.push(...row), rate);
  for (let at = 0; at < samples.length; at += size) stream.push(samples.slice(at, at + size));
  stream.end();
  return rows;
}

/** Says how the features of a case differ from those of torchaudio; undefined if they do not. */
export function differenceIn({ name, rate, settings, samples, size, features }: FeatureCase) {
  const form = formOf(settings, rate);
  const want = floats(features);
  const got = featuresOf(Float64Array.from(floats(samples)), form);
  if (form.size !== size || got.length !== want.length)
    return `${name}: ${got.length} values of ${form.size} features, not ${want.length} of ${size}`;
  const largest = want.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = want.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i])), 0);
  return worst <= 1e-4 * largest ? undefined : `${name}: ${worst} of ${largest}`;
}
