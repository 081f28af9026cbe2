/** Recordings that a program passes as samples: whole ones, and those that are still running. */

import { usageError } from '../../util/errors.js';
import type { RecordingReader, SampleReader } from '../core/dataset.js';
import type { DataRecord, DataScaling } from '../core/record.js';
import type { FeatureConfig } from './facts.js';
import { FeatureForm } from './features.js';
import { type Extraction, framesOf } from './recording.js';

/** What of the config of a dataset says how its recordings become features. */
export interface AudioForm {
  readonly features: FeatureConfig;
  readonly rate?: number | undefined;
  readonly channel?: number | 'mix' | undefined;
  readonly normalize?: DataScaling['method'] | 'none' | undefined;
  readonly normalize_per?: string | undefined;
}

/** `normalize_per` that is no column. */
export const PER_RECORDING = 'recording';

/** The features that the recordings of a run have. */
export function recordedForm(
  { features, rate = 0 }: AudioForm,
  { sample_rate = rate }: DataRecord,
): FeatureForm {
  return new FeatureForm(features, sample_rate);
}

/** How recordings become features. */
export function extractionOf(config: AudioForm, form: FeatureForm): Extraction {
  const { channel = 'mix', normalize_per } = config;
  return { form, channel, scaling: normalize_per === PER_RECORDING ? methodOf(config) : undefined };
}

export function methodOf({ normalize }: AudioForm): DataScaling['method'] | undefined {
  return normalize === 'none' ? undefined : normalize;
}

/** @throws UserError (exit 2) if steps depend on those after them */
export function sampleReader(config: AudioForm, data: DataRecord): SampleReader {
  const { normalize_per: per } = config;
  if (per === undefined) return recordedForm(config, data);
  const over = per === PER_RECORDING ? 'their frames' : `the recordings of their ${per}`;
  const message = `recordings are scaled over all of ${over}, so the model cannot run step by step`;
  throw usageError('model/normalize-per', message, { expected: '`predict` with whole recordings' });
}

/** @throws UserError (exit 2) if recordings are scaled over several of them */
export function recordingReader(config: AudioForm, data: DataRecord): RecordingReader {
  const { normalize_per: per } = config;
  const form = recordedForm(config, data);
  const extraction = extractionOf(config, form);
  if (per !== undefined && per !== PER_RECORDING) {
    const message = `recordings are scaled over all of their ${per}, so the model reads files only`;
    throw usageError('model/normalize-per', message, { expected: '`predictFile` with the recordings' });
  }
  return {
    read(samples, rate = form.rate) {
      const values = framesOf({ count: samples.length, rate, pieces: [samples] }, extraction);
      return { length: values.length / form.size, values };
    },
  };
}
