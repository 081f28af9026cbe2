/** A whole run directory with one damaged file in it, gone on with as `resume` does. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadExperiment } from '../../src/config/index.js';
import type { Json } from '../../src/run/json.js';
import { resumeExperiment } from '../../src/train/resume/resume.js';
import { runExperiment } from '../../src/train/run.js';
import { EXIT } from '../../src/util/errors.js';
import type { RandomStream } from '../../src/util/random.js';
import { mutateBytes, mutateJson, mutateText, onceIn, pick } from '../support/mutations.js';
import { silentObserver } from '../support/small-run.js';
import { ensure, type FuzzTarget } from './fuzz-target.js';

const config = {
  version: 1,
  name: 'damaged',
  dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 3, train_size: 4, test_size: 2 },
  model: { cell: 'lstm', hidden_size: 2 },
  loss: { kind: 'mse' },
  optimizer: { kind: 'adam', learning_rate: 0.01 },
  training: { num_epochs: 2, batch_size: 2, log_every: 1 },
  checkpoint: { keep: { last: 2, best: 1 } },
};

const JSON_FILES = ['manifest.json', 'summary.json', 'checkpoints/index.json'] as const;
const OTHER_FILES = ['config.resolved.yaml', 'log.jsonl', 'checkpoints/step-00000004.safetensors'] as const;
const TOKENS = ['{', '}', '[', ']', '"', ':', ',', 'null', '-1', '\n', '  ', 'completed', 'webasm', '\0'];

const options = { threads: 1, commandLine: [], signal: new AbortController().signal };

/** A finished run of four steps, in `folder`. */
async function finishedRun(folder: string): Promise<string> {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, JSON.stringify(config));
  const started = new Date(0);
  const { summary } = await runExperiment(
    loadExperiment(file),
    { ...options, backend: 'cpu', output: join(folder, 'runs'), started },
    silentObserver,
  );
  return summary.directory;
}

function damaged(path: string, isJson: boolean, random: RandomStream): Buffer {
  const bytes = readFileSync(path);
  if (isJson && !onceIn(random, 4)) {
    const value = JSON.parse(bytes.toString('utf8')) as Json;
    return Buffer.from(
      JSON.stringify(mutateJson(value, random, ['completed', 'interrupted', 'failed', 'cpu'])),
    );
  }
  if (onceIn(random, 2)) return mutateBytes(bytes, random);
  return Buffer.from(mutateText(bytes.toString('latin1'), random, TOKENS), 'latin1');
}

export const runDirectories: FuzzTarget = {
  name: 'run directory',
  isCostly: true,
  open: async folder => {
    const original = await finishedRun(folder);
    const path = join(folder, 'damaged');
    return random => {
      rmSync(path, { recursive: true, force: true });
      cpSync(original, path, { recursive: true });
      // a run that is complete reads little
      if (onceIn(random, 3)) rmSync(join(path, 'summary.json'));
      const isJson = !onceIn(random, 4);
      const file = join(path, pick(random, isJson ? JSON_FILES : OTHER_FILES));
      writeFileSync(file, damaged(file.replace(path, original), isJson, random));
      return async () => {
        const resumed = {
          ...options,
          backend: undefined,
          set: [],
          allowChange: [],
          strict: false,
          started: new Date(0),
        };
        const { exitCode } = await resumeExperiment(path, resumed, silentObserver);
        ensure(Object.values(EXIT).includes(exitCode), 'the run ends as runs end');
      };
    };
  },
};
