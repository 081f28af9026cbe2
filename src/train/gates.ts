/**
 * References of the gates of a config: the means of their baselines, read before training starts.
 */
import { existsSync } from 'node:fs';
import { type LoadedExperiment, locateInConfig } from '../config/index.js';
import { type Baseline, parseBaseline, readBaselineText } from '../run/baseline.js';
import type { WrittenGate } from '../run/gates.js';
import { caught, forAll, UserError, usageError } from '../util/errors.js';

export interface GateReferences {
  /** The baseline's mean of each gate, in the gates' order; undefined if a gate has no baseline. */
  readonly references: readonly (number | undefined)[];
  readonly baselines: ReadonlyMap<string, string>;
}

/** `baselineAt` is where a baseline is read, such as a copy in the directory of the run. */
export function gateReferences(
  loaded: LoadedExperiment,
  baselineAt: (path: string) => string = path => path,
): GateReferences {
  const baselines = new Map<string, string>();
  const references = forAll(loaded.experiment.gates, ({ baseline }, index) => {
    if (baseline === undefined) return undefined;
    const found = caught(() => referenceOf(loaded, index, baselineAt(baseline)));
    if (found instanceof UserError) throw locateInConfig(found, loaded);
    baselines.set(baseline, found.text);
    return found.mean;
  });
  return { references, baselines };
}

export function gateOrigins({
  experiment,
  origin,
}: Pick<LoadedExperiment, 'experiment' | 'origin'>): string[] {
  return experiment.gates.map((_, index) => origin(`gates.${index}`));
}

/** A config loaded from a run directory has only locations in its own file. */
export function withGateOrigins(loaded: LoadedExperiment, origins: readonly string[]): LoadedExperiment {
  const places = new Map(origins.map((place, index) => [`gates.${index}`, place]));
  return { ...loaded, origin: key => places.get(key) ?? loaded.origin(key) };
}

export function writtenGates(
  { experiment, origin }: Pick<LoadedExperiment, 'experiment' | 'origin'>,
  references: GateReferences['references'],
): WrittenGate[] {
  const origins = gateOrigins({ experiment, origin });
  return experiment.gates.map((gate, index) => {
    const reference = references[index];
    return { ...gate, origin: origins[index], ...(reference !== undefined && { reference }) };
  });
}

function referenceOf(
  { experiment, locator }: LoadedExperiment,
  index: number,
  file: string,
): { readonly mean: number; readonly text: string } {
  const { metric } = experiment.gates[index];
  if (!existsSync(file))
    throw usageError(
      locator.atValue(['gates', index, 'baseline'], 'config/gate', `baseline ${file} does not exist`, {
        expected: 'a file written by `review RUN… --pin FILE`; train the runs to pin with --set gates=[]',
      }),
    );
  const text = readBaselineText(file);
  const { metrics }: Baseline = parseBaseline(file, text);
  const found = Object.hasOwn(metrics, metric) ? metrics[metric] : undefined;
  if (found !== undefined) return { mean: found.mean, text };
  throw usageError(
    locator.atValue(['gates', index, 'metric'], 'config/gate', `${file} has no ${metric}`, {
      expected: Object.keys(metrics).join(' | '),
    }),
  );
}
