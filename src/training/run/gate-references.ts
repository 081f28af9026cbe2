/**
 * What the gates of a config compare with: the means of their baselines, read before anything is
 * trained.
 */
import { existsSync } from 'node:fs';
import { type LoadedExperiment, locateInConfig } from '../../config/index.js';
import { type Baseline, readBaseline } from '../../experiment/judging/baseline.js';
import type { WrittenGate } from '../../experiment/judging/gates.js';
import { type Diagnostic, EXIT, UserError, usageError } from '../../util/errors.js';

/**
 * The baseline's mean of each gate, in the gates' order; undefined where a gate has no baseline.
 */
export type GateReferences = readonly (number | undefined)[];

/**
 * Throws every complaint at once: exit 5 where a baseline is damaged, else exit 2 where one is
 * missing or lacks the metric.
 */
export function gateReferences(loaded: LoadedExperiment): GateReferences {
  const problems: UserError[] = [];
  const references = loaded.experiment.gates.map((_, index) => {
    try {
      return referenceOf(loaded, index);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(locateInConfig(error, loaded));
      return undefined;
    }
  });
  if (problems.length === 0) return references;
  const exitCode = problems.find(({ exitCode }) => exitCode === EXIT.damaged)?.exitCode ?? EXIT.usage;
  throw new UserError(exitCode, withoutEchoes(problems.flatMap(({ diagnostics }) => diagnostics)));
}

/** Where each gate is written. */
export function gateOrigins({
  experiment,
  origin,
}: Pick<LoadedExperiment, 'experiment' | 'origin'>): string[] {
  return experiment.gates.map((_, index) => origin(`gates.${index}`));
}

/**
 * The same config whose gates are said to be written where `origins` has them: a frozen config
 * tells only of itself.
 */
export function withGateOrigins(loaded: LoadedExperiment, origins: readonly string[]): LoadedExperiment {
  const places = new Map(origins.map((place, index) => [`gates.${index}`, place]));
  return { ...loaded, origin: key => places.get(key) ?? loaded.origin(key) };
}

/** The gates of a config with where they are written and what they compare with. */
export function writtenGates(
  { experiment, origin }: Pick<LoadedExperiment, 'experiment' | 'origin'>,
  references: GateReferences,
): WrittenGate[] {
  const origins = gateOrigins({ experiment, origin });
  return experiment.gates.map((gate, index) => {
    const reference = references[index];
    return { ...gate, origin: origins[index], ...(reference !== undefined && { reference }) };
  });
}

function referenceOf({ experiment, locator }: LoadedExperiment, index: number): number | undefined {
  const { metric, baseline: file } = experiment.gates[index];
  if (file === undefined) return undefined;
  if (!existsSync(file))
    throw usageError(
      locator.atValue(['gates', index, 'baseline'], 'config/gate', `baseline ${file} does not exist`, {
        expected: 'a file written by `review RUN… --pin FILE`; train the runs to pin with --set gates=[]',
      }),
    );
  const { metrics }: Baseline = readBaseline(file);
  const found = Object.hasOwn(metrics, metric) ? metrics[metric] : undefined;
  if (found !== undefined) return found.mean;
  throw usageError(
    locator.atValue(['gates', index, 'metric'], 'config/gate', `${file} has no ${metric}`, {
      expected: Object.keys(metrics).join(' | '),
    }),
  );
}

/** Two gates may name one damaged file. */
function withoutEchoes(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const texts = diagnostics.map(d => JSON.stringify(d));
  return diagnostics.filter((_, i) => texts.indexOf(texts[i]) === i);
}
