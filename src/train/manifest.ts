/** What a run records of itself before training starts, and whether its data are still the same. */
import { createHash } from 'node:crypto';
import type { LoadedExperiment } from '../config/index.js';
import type { DataRecord, Dataset } from '../data/index.js';
import { EXECUTORS } from '../engine/executable.js';
import { machineArithmetic } from '../engine/simd-target.js';
import { ParameterLayout } from '../math/model/parameters.js';
import type { RunDirectory } from '../run/directory.js';
import { type GitState, type Manifest, machine, versions } from '../run/manifest.js';
import { type Diagnostic, damagedError } from '../util/errors.js';
import { type Fitted, gateOrigins, type Session } from './session.js';
import type { RunContext } from './train.js';

/** Also keeps the baselines of the gates. `git` is the state of the config's repository. */
export function newManifest(
  { loaded, session, directory, logEvery }: Pick<RunContext, 'loaded' | 'session' | 'directory' | 'logEvery'>,
  { started, commandLine }: { readonly started: Date; readonly commandLine: readonly string[] },
  git: GitState | null,
): Manifest {
  const { dataset, spec } = session;
  const { experiment, hash, stepHash, weightsDigest, files, givenYaml } = loaded;
  const { init_from } = experiment.model;
  const seeds = { experiment: experiment.seed };
  return {
    version: 1,
    started: started.toISOString(),
    run_id: directory.id,
    name: experiment.name,
    config_hash: hash,
    step_hash: stepHash,
    directory: directory.path,
    digests: {
      [directory.nameOf(directory.files.config)]: sha256(givenYaml),
      ...resolvedDigest(directory, loaded),
      ...directory.keepBaselines(session.baselines),
    },
    config_files: files,
    log_every: logEvery,
    gate_origins: gateOrigins(loaded),
    backend: backendFacts(session),
    datasets: dataset.digests,
    ...(init_from !== undefined &&
      weightsDigest !== undefined && { initial_weights: { name: init_from, sha256: weightsDigest } }),
    data: dataRecord(session),
    ...(dataset.scaling && { scaling: dataset.scaling }),
    seeds: 'seed' in experiment.dataset ? { ...seeds, dataset: experiment.dataset.seed } : seeds,
    parameters: new ParameterLayout(spec).size,
    command_line: commandLine,
    versions: versions(),
    git,
    machine: machine(),
  };
}

export function backendFacts({ choice, run }: Pick<Session, 'choice' | 'run'>): Manifest['backend'] {
  const onGpu = choice.backend === 'webgpu';
  return {
    name: choice.backend,
    reason: choice.reason,
    executor: EXECUTORS[choice.backend],
    arithmetic: choice.backend === 'webasm' ? machineArithmetic() : null,
    width: run.width ?? null,
    threads: onGpu ? null : run.threads,
    adapter: onGpu ? (choice.adapter?.description ?? null) : null,
  };
}

export function resolvedDigest(
  directory: RunDirectory,
  { resolvedYaml }: Pick<LoadedExperiment, 'resolvedYaml'>,
): Record<string, string> {
  return { [directory.nameOf(directory.files.resolvedConfig)]: sha256(resolvedYaml) };
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Properties of the data that predictions need. */
export function dataRecord({ dataset, run, spec }: Pick<Session, 'dataset' | 'run' | 'spec'>): DataRecord {
  const { kind } = spec.input;
  return {
    // the spec's count: the config may have more symbols than the data
    input: kind === 'number' ? { kind, size: spec.input.size } : { kind, count: spec.input.count },
    sequence_length: run.sequenceLength,
    variable_length: run.variableLength,
    ...(dataset.firstPrediction !== undefined && { first_prediction: dataset.firstPrediction }),
    output_size: spec.outputSize,
    ...(dataset.classLabels && { class_names: dataset.classLabels }),
    ...(dataset.targetNames && { target_names: dataset.targetNames }),
    ...(dataset.image && { image: dataset.image }),
    ...(dataset.vocabulary && { vocabulary: dataset.vocabulary }),
    ...(dataset.seriesScaling && { series_scaling: dataset.seriesScaling }),
  };
}

/** A run's record of the data that it was trained on. */
export type RunData = Pick<Manifest, 'datasets' | 'data' | 'scaling'>;

/** Values that a run fitted on its training split; empty without a run. */
export function fittedBy(run: RunData | undefined): Fitted {
  return { scaling: run?.scaling, vocabulary: run?.data?.vocabulary };
}

/** Names may differ, since files may have been moved; content, split and order may not. */
export function checkSameData({ digests: now }: Dataset, { datasets: then }: RunData): void {
  const isSame = now.every(({ sha256, split }, i) => sha256 === then[i]?.sha256 && split === then[i].split);
  if (isSame && now.length === then.length) return;
  const change = (file: string, message: string, more: Partial<Diagnostic> = {}) => ({
    code: 'run/data-changed',
    message,
    file,
    ...more,
  });
  const matched = new Set<RunData['datasets'][number]>();
  const found = now.flatMap(({ name, sha256, split }, i) => {
    const earlier =
      then.find(file => file.name === name) ??
      then.find(file => file.sha256 === sha256 && !matched.has(file)) ??
      // moved files replace those in the same places
      (now.length === then.length ? then[i] : undefined);
    if (earlier === undefined) return change(name, 'the file was added after the run was trained');
    matched.add(earlier);
    const more = { expected: `SHA-256 ${earlier.sha256}`, got: sha256 };
    if (sha256 !== earlier.sha256)
      return change(name, 'the data have changed since the run was trained', more);
    if (split === earlier.split) return [];
    return change(name, `the file was in the ${earlier.split} split when the run was trained`, {
      got: split,
    });
  });
  const gone = then.filter(file => !matched.has(file));
  for (const { name } of gone)
    found.push(change(name, 'the run was trained with this file, which is missing now'));
  if (found.length > 0) throw damagedError(...found);
  const first = Math.max(
    0,
    now.findIndex(({ sha256 }, i) => sha256 !== then[i]?.sha256),
  );
  const message = 'the data files are in another order than when the run was trained';
  throw damagedError(change(now[first].name, message, { expected: then[first].name }));
}

/** Entries of `now` that are new or changed since `then`. */
export function digestChanges(now: Dataset['digests'], then: RunData['datasets']): Dataset['digests'] {
  const known = new Map(then.map(({ name, sha256 }) => [name, sha256]));
  return now.filter(({ name, sha256 }) => known.get(name) !== sha256);
}
