/** Collects the content of a run's manifest, all known before training starts. */
import type { LoadedExperiment } from '../config/index.js';
import type { DataRecord } from '../data/index.js';
import { EXECUTORS } from '../engine/executable.js';
import { machineArithmetic } from '../engine/simd/arithmetic.js';
import { ParameterLayout } from '../math/model/parameters.js';
import type { ManifestFacts } from '../run/manifest.js';
import { gateOrigins } from './gates.js';
import { configDigest } from './resume/frozen-config.js';
import type { Session } from './session.js';

/** `commandLine` are the arguments after the program's name. */
export function manifestFacts(
  loaded: LoadedExperiment,
  session: Session,
  {
    directory,
    runId,
    started,
    commandLine,
  }: {
    readonly directory: string;
    readonly runId: string;
    readonly started: Date;
    readonly commandLine: readonly string[];
  },
): ManifestFacts {
  const { choice, dataset, run, spec } = session;
  const { experiment, hash, stepHash, weightsDigest, files, givenYaml } = loaded;
  const { init_from } = experiment.model;
  const onGpu = choice.backend === 'webgpu';
  const seeds = { experiment: experiment.seed };
  return {
    run_id: runId,
    name: experiment.name,
    started,
    config_hash: hash,
    step_hash: stepHash,
    directory,
    given_config_sha256: configDigest(givenYaml),
    config_files: files,
    gate_origins: gateOrigins(loaded),
    backend: {
      name: choice.backend,
      reason: choice.reason,
      executor: EXECUTORS[choice.backend],
      arithmetic: choice.backend === 'webasm' ? machineArithmetic() : null,
      width: run.width ?? null,
      threads: onGpu ? null : run.threads,
      adapter: onGpu ? (choice.adapter?.description ?? null) : null,
    },
    datasets: dataset.digests,
    ...(init_from !== undefined &&
      weightsDigest !== undefined && { initial_weights: { name: init_from, sha256: weightsDigest } }),
    data: dataRecord(session),
    ...(dataset.scaling && { scaling: dataset.scaling }),
    seeds: experiment.dataset.kind === 'synthetic' ? { ...seeds, dataset: experiment.dataset.seed } : seeds,
    parameters: new ParameterLayout(spec).size,
    command_line: commandLine,
  };
}

/** Properties of the data that predictions need. */
export function dataRecord({ dataset, run, spec }: Pick<Session, 'dataset' | 'run' | 'spec'>): DataRecord {
  const { kind } = spec.input;
  return {
    // the spec's count: the config may have more symbols than the data
    input: kind === 'number' ? { kind, size: spec.input.size } : { kind, count: spec.input.count },
    sequence_length: run.sequenceLength,
    variable_length: run.variableLength,
    ...(dataset.firstAnswer !== undefined && { first_answer: dataset.firstAnswer }),
    output_size: spec.outputSize,
    ...(dataset.classLabels && { class_names: dataset.classLabels }),
    ...(dataset.targetNames && { target_names: dataset.targetNames }),
    ...(dataset.image && { image: dataset.image }),
    ...(dataset.vocabulary && { vocabulary: dataset.vocabulary }),
    ...(dataset.seriesScaling && { series_scaling: dataset.seriesScaling }),
  };
}
