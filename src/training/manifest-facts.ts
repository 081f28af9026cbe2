/** What a run's manifest says, all of which is known before anything is trained. */
import type { LoadedExperiment } from '../config/index.js';
import { EXECUTORS } from '../engine/executable.js';
import { machineArithmetic } from '../engine/simd/arithmetic.js';
import type { ManifestFacts } from '../experiment/manifest.js';
import { ParameterLayout } from '../model/parameters.js';
import { configDigest } from './frozen-config.js';
import { gateOrigins } from './gate-references.js';
import type { Session } from './session.js';

/** `commandLine` are the arguments after the program's name. */
export function manifestFacts(
  loaded: LoadedExperiment,
  { choice, dataset, run, spec }: Session,
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
  const { experiment, hash, stepHash, files, givenYaml } = loaded;
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
    ...(dataset.scaling && { scaling: dataset.scaling }),
    seeds: experiment.dataset.kind === 'synthetic' ? { ...seeds, dataset: experiment.dataset.seed } : seeds,
    parameters: new ParameterLayout(spec).size,
    command_line: commandLine,
  };
}
