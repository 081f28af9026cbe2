/** `manifest.json`: everything needed to explain and repeat a run. */

import { dataRecord, dataScaling } from '../config/schema/experiment.js';
import {
  arch,
  availableParallelism,
  cpus,
  fs,
  gpuLibraryVersion,
  join,
  platform,
  runtime,
  totalmem,
} from '../host/index.js';
import { packageRoot } from '../util/root.js';
import * as s from '../util/schema.js';
import { listed } from '../util/words.js';
import type { Json } from './json.js';

const hash = (description: string) => s.sha256(`SHA-256 (hex) ${description}`);
const texts = (description: string) => s.list(s.text({}), description);

const datasets = s.list(
  s.struct('A file, or the recordings of a folder.', {
    name: s.text('The file or folder, or the generated data.'),
    sha256: s.sha256(
      "Of the file's bytes, or of the generated values; of a folder, of the SHA-256 of its files, in order.",
    ),
    files: s.optional(s.count('Number of files; present for a folder.', 1)),
    file_digests: s.optional(
      s.text('Base64 of the first 6 bytes of the SHA-256 of each file; present for a folder.'),
    ),
    split: s.choice(
      ['train', 'validation', 'test'],
      'Split that it was given for. Without files for `test`, the test split is a part of those for `train`. A recording is of `test` if it is held out as a whole.',
    ),
  }),
  'The data that were read.',
);

export const backendFields = {
  name: s.text('webgpu, webasm or cpu.'),
  reason: s.text('Why it was chosen.'),
  executor: s.text('What executes the kernels.'),
  arithmetic: s.choice(
    ['fused', 'separate', null],
    'How multiply-add rounds on webasm: once (fused), or after the product too (separate); null on other backends. Results are byte-identical only between runs with the same value.',
  ),
  width: s.choice(
    [128, 256, 512, null],
    'Vector width in bits of the kernels on webasm; it does not affect results. null on other backends.',
  ),
  threads: s.nullable(s.count('Threads used; null if the program cannot choose.', 1)),
  adapter: s.nullable(s.text('Name of the GPU as reported by its driver.')),
};

export const repository = s.struct('The repository that contains the config; null outside a repository.', {
  revision: s.text('Full commit id.'),
  dirty: s.boolean('Whether tracked files differ from it; untracked files, such as runs, do not count.'),
});

const loadedWeights = {
  name: s.text('Path of the file or the run.'),
  sha256: s.sha256(
    'SHA-256 (hex) of the file; of a run, of its summary.json. Part of `config_hash`, in place of the path.',
  ),
  run_id: s.optional(s.text('Name of the run; absent for a file.')),
  run_step: s.optional(s.count('Step of its checkpoint; absent for a file.')),
  loaded: s.count('Number of parameters that were loaded, counted as arrays.'),
  random: s.list(s.text('Name of a parameter.'), 'Parameters that start with random values.'),
  unused: s.list(s.text('Name of a tensor.'), 'Tensors that no parameter is named like.'),
};

/** The environment of a run, without names of hosts or people. */
export const environment = {
  versions: s.struct('Versions of cellrun and of the packages that affect results.', {
    cellrun: s.text('Version of cellrun.'),
    node: s.text('Of Node.js.'),
    'gpu.js': s.text('Version of gpu.js.'),
  }),
  git: s.nullable(repository),
  machine: s.struct('The machine that the run was started on.', {
    platform: s.text('Operating system, as reported by Node.js: linux, darwin, win32.'),
    arch: s.text('Instruction set, as reported by Node.js: x64, arm64.'),
    cpu: s.text('Model of the processor.'),
    cores: s.count('CPU cores available to the process.'),
    memory_mb: s.count('Memory of the machine, MiB.'),
  }),
};

const change = s.struct('A change.', {
  time: s.text('ISO 8601, UTC.'),
  step: s.count('Completed optimizer steps before it.'),
  key: s.text('A key of the config, or `backend`, `arithmetic`, `width`, `version`, `gpu.js`.'),
  from: s.anything<Json>('The old value.'),
  to: s.anything<Json>('The new value.'),
});

export const manifest = s.document(
  'Run manifest',
  'manifest.json of a run: everything needed to explain and repeat it.',
  {
    version: s.literal(1, 'Version of this format.'),
    run_id: s.text('Name of the run directory.'),
    name: s.text('Name of the experiment.'),
    started: s.text('When the run started: ISO 8601, UTC.'),
    config_hash: s.sha256('SHA-256 of the resolved config.'),
    digests: s.mapOf(
      s.sha256('SHA-256, hex.'),
      'SHA-256 (hex) of the files written at the start of the run, by name: config.yaml, config.resolved.yaml and the baselines of its gates. Resuming uses config.resolved.yaml, and warns if config.yaml was edited.',
    ),
    config_files: texts('The config and the files that it extends, as named.'),
    log_every: s.count('Steps between two logged training steps when the run began.', 1),
    step_hash: hash(
      'of everything that determines a training step: config, seed and names of the data, without the length. Each checkpoint contains it.',
    ),
    earlier_step_hashes: s.optional(
      s.list(s.sha256('A hash.'), 'Hashes of earlier configs of the run, which its checkpoints may have.'),
    ),
    directory: s.text('The run directory, absolute, when the run started. It identifies copies.'),
    gate_origins: texts('Where each gate is defined, in order: FILE:LINE:COL, or the command-line option.'),
    ...environment,
    backend: s.struct('What executed the kernels.', backendFields),
    datasets,
    initial_weights: s.optional(
      s.struct('The weights of `model.init_from`, which the run started from.', loadedWeights),
    ),
    data: dataRecord,
    scaling: s.optional(dataScaling),
    seeds: s.mapOf(s.integer('A seed.'), 'Every seed, by its use.'),
    parameters: s.count('Number of parameters, frozen ones included.'),
    command_line: texts("The arguments after the program's name."),
    changes: s.optional(
      s.list(
        change,
        'Changes allowed on resume, in order; absent if there were none. The other fields, except config_hash, describe how the run started.',
      ),
    ),
  },
);

/** Part of the messages that an input of a run is not the one in its manifest. */
export const INPUT_CHANGED = 'have changed since the run was trained';

export type Manifest = s.TypeOf<typeof manifest>;

export type LoadedWeights = NonNullable<Manifest['initial_weights']>;
export type ManifestChange = s.TypeOf<typeof change>;
export type GitState = s.TypeOf<typeof repository>;

export function versions(): Manifest['versions'] {
  return {
    cellrun: versionIn(join(packageRoot, 'package.json')),
    node: runtime.version,
    'gpu.js': gpuLibraryVersion(),
  };
}

export function machine(): Manifest['machine'] {
  return {
    platform: platform(),
    arch: arch(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory_mb: Math.round(totalmem() / 2 ** 20),
  };
}

function versionIn(packageFile: string): string {
  const { version }: { version?: unknown } = JSON.parse(fs.readFileSync(packageFile, 'utf8'));
  return String(version);
}

/** Such as `8 of 10 parameters from weights.safetensors; random: fc.weight, fc.bias`. */
export function initialWeightsSentence({ name, run_step, loaded, random, unused }: LoadedWeights): string {
  const from = run_step === undefined ? name : `${name} (step ${run_step})`;
  const parts = [
    `${loaded} of ${loaded + random.length} parameters from ${from}`,
    ...(random.length > 0 ? [`random: ${listed(random)}`] : []),
    ...(unused.length > 0 ? [`not used: ${listed(unused)}`] : []),
  ];
  return parts.join('; ');
}
