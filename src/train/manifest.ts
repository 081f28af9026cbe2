/** Collects the content of a run's manifest, all known before training starts. */
import { createHash } from 'node:crypto';
import type { LoadedExperiment } from '../config/index.js';
import type { DataRecord } from '../data/index.js';
import { EXECUTORS } from '../engine/executable.js';
import { machineArithmetic } from '../engine/simd-target.js';
import { ParameterLayout } from '../math/model/parameters.js';
import type { RunDirectory } from '../run/directory.js';
import { type GitState, type Manifest, machine, versions } from '../run/manifest.js';
import { gateOrigins } from './gates.js';
import type { Session } from './session.js';
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
